"""The record of a training on disk."""

import csv

import pytest

from nnunetv2_mstkd.trainers.metrics_log import FIGURE_NAME, FILE_NAME, MetricsLog

VALUES = {"ramp": 0.5, "loss_segmentation": 0.1, "gradient_logits": 1e-3, "dice_student_all": 0.7}


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(MetricsLog, "_plot", lambda self, columns, file: file.write_bytes(b"figure"))


def rows(folder):
    with open(folder / FILE_NAME, newline="") as file:
        return list(csv.DictReader(file))


def test_each_epoch_is_a_row(tmp_path, no_figures):
    log = MetricsLog(str(tmp_path), first_epoch=0)
    log.append(0, VALUES)
    log.append(1, {**VALUES, "ramp": 1.0})
    assert [(row["epoch"], row["ramp"], row["dice_student_all"]) for row in rows(tmp_path)] == [
        ("0", "0.5", "0.7"),
        ("1", "1.0", "0.7"),
    ]


def test_a_value_that_comes_later_leaves_a_gap_before(tmp_path, no_figures):
    log = MetricsLog(str(tmp_path), first_epoch=0)
    log.append(0, {"ramp": 0.5})
    log.append(1, {"ramp": 0.6, "loss_new": 3.0})
    assert [row["loss_new"] for row in rows(tmp_path)] == ["", "3.0"]
    again = MetricsLog(str(tmp_path), first_epoch=2)
    again.append(2, {"ramp": 0.7})
    assert [row["loss_new"] for row in rows(tmp_path)] == ["", "3.0", ""]


def test_a_continued_run_drops_the_rows_that_it_makes_again(tmp_path, no_figures):
    log = MetricsLog(str(tmp_path), first_epoch=0)
    for epoch in range(4):
        log.append(epoch, {"ramp": 0.1 * epoch})
    MetricsLog(str(tmp_path), first_epoch=2).append(2, {"ramp": 9.0})
    assert [(float(row["epoch"]), float(row["ramp"])) for row in rows(tmp_path)] == [(0, 0.0), (1, 0.1), (2, 9.0)]


def test_a_new_run_starts_a_new_record(tmp_path, no_figures):
    MetricsLog(str(tmp_path), first_epoch=0).append(0, {"ramp": 1.0})
    MetricsLog(str(tmp_path), first_epoch=0).append(0, {"ramp": 2.0})
    assert [row["ramp"] for row in rows(tmp_path)] == ["2.0"]


def test_values_survive_exactly(tmp_path, no_figures):
    MetricsLog(str(tmp_path), first_epoch=0).append(0, {"ramp": 1 / 3, "dice_student_all": float("nan")})
    log = MetricsLog(str(tmp_path), first_epoch=1)
    assert log.rows[0]["ramp"] == 1 / 3
    assert log.rows[0]["dice_student_all"] != log.rows[0]["dice_student_all"]


def test_the_record_is_replaced_whole(tmp_path, no_figures, monkeypatch):
    log = MetricsLog(str(tmp_path), first_epoch=0)
    log.append(0, VALUES)
    before = (tmp_path / FILE_NAME).read_bytes()

    def full_disk(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full_disk)
    with pytest.raises(OSError, match="No space"):
        log.append(1, VALUES)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_the_figure_is_drawn(tmp_path):
    log = MetricsLog(str(tmp_path), first_epoch=0)
    log.append(0, {**VALUES, "attention_entropy_student": float("nan"), "gradient_content": 0.0})
    assert (tmp_path / FIGURE_NAME).read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in tmp_path.iterdir()) == [FILE_NAME, FIGURE_NAME]
