"""What lies in the output folder after cases that are written, refused or failed."""

import errno
import json
from types import SimpleNamespace

import numpy as np
import pytest

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import OutputError
from nnunetv2_mstkd.inference.folder_output import FAILED, FolderOutput, is_disk_full
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.modalities import Modalities

MODEL = SimpleNamespace(dataset_json={}, plans=SimpleNamespace(plans={}), file_ending=".nii.gz")


class Reader:
    """Writes labels as bytes; `spoil` is what a broken disk makes of them."""

    def spacing_file(self, file):
        return None

    def write_label_map(self, labels, file, properties):
        file.write_bytes(labels.tobytes())

    def read_label_map(self, file):
        return SimpleNamespace(volumes=[np.frombuffer(file.read_bytes(), np.uint8).reshape(1, 2, 2)])


class HalfReader(Reader):
    """Of a disk that takes half, and says nothing."""

    def write_label_map(self, labels, file, properties):
        file.write_bytes(labels.tobytes()[:2])


def prediction(reader, probabilities=None):
    labels, used = np.ones((1, 2, 2), np.uint8), Modalities(("T1", "T2")).subset("T1")
    return Prediction(labels, probabilities, used, (), None, {"sitk_stuff": {}, "spacing": (1, 1, 1)}, reader)


@pytest.fixture
def output(tmp_path):
    """Of a run that goes on, with a case of an earlier one."""
    output = FolderOutput(tmp_path, MODEL, {}, None)
    output.write(prediction(Reader(), np.zeros((2, 1, 2, 2), np.float32)), "case", {}, 0)
    assert {path.name for path in tmp_path.glob("case.*")} == {
        f"case.{e}" for e in ("nii.gz", "npz", "pkl", "mstkd.json")
    }
    (tmp_path / "case.txt").touch()
    return output


def messages(output):
    return json.loads(output.manifest.file.read_text())["cases"]["case"]["messages"]


def test_what_an_earlier_run_wrote_of_a_refused_case_is_removed_and_told(output):
    told = output.open([], [Problem("case", "unreadable"), Problem("case", "twice"), Problem("", "the folder")])
    assert [path.name for path in output.folder.glob("case*")] == ["case.txt"]
    assert told == ["case: removed case.nii.gz, case.npz, case.pkl, of an earlier run"]
    assert messages(output) == ["unreadable", "twice", "removed case.nii.gz, case.npz, case.pkl, of an earlier run"]


def test_so_it_is_of_a_failed_case(output):
    assert "case.nii.gz" in output.give_up("case", FAILED, ["tired"])
    assert not (output.folder / "case.nii.gz").exists()
    assert output.give_up("case", FAILED, ["tired"]) is None
    assert messages(output) == ["tired"]


def test_a_segmentation_of_somebody_else_stays(output):
    (output.folder / "other.nii.gz").touch()
    assert output.open([], [Problem("other", "unreadable")]) == []
    assert (output.folder / "other.nii.gz").is_file()


def test_probabilities_of_nnunets_own_run_do_not_lie_beside_new_labels(output):
    for ending in ("nii.gz", "npz", "pkl"):
        (output.folder / f"foreign.{ending}").touch()
    output.write(prediction(Reader()), "foreign", {}, 0)
    assert {path.name for path in output.folder.glob("foreign.*")} == {"foreign.nii.gz", "foreign.mstkd.json"}


@pytest.mark.parametrize(("free", "is_full"), [(0, True), (1 << 30, False)])
def test_labels_that_are_not_read_back_are_a_full_disk_only_if_it_is_full(output, monkeypatch, free, is_full):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(OutputError, match="written and read back differ") as raised:
        output.write(prediction(HalfReader()), "case", {}, 0)
    assert is_disk_full(raised.value) is is_full
    assert ("is full" in output.not_written(raised.value)) is is_full
    assert not (output.folder / "case.nii.gz").exists()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EDQUOT, ""), True),
        (OSError(errno.EACCES, ""), False),
        (OutputError("differs"), False),
        (None, False),
    ],
)
def test_what_a_full_disk_looks_like(error, expected):
    assert is_disk_full(error) is expected
