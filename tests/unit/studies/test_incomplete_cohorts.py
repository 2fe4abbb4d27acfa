"""studies/incomplete_cohorts: which cases lack what, the files that are listed, and what the arms do with them."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
from tiny_cohort import TinyCohort, write_cohort

sys.path.insert(0, str(Path(__file__).parents[3] / "studies"))  # scripts, no part of the package

import trial as trial_module
from arms import INCOMPLETE_ARMS
from incomplete_data import MISSING, draw_availability, write_incomplete

from nnunetv2_mstkd.cases.availability import Availability, read_availability
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
CASES = [f"case_{i:04d}" for i in range(2000)]


def test_a_share_of_the_cases_lacks_something_and_none_lacks_all():
    table = draw_availability(CASES, FOUR, 0.5, seed=0)
    assert len(table.incomplete) == 1000
    assert set(table.present) == set(CASES)
    assert draw_availability(CASES, FOUR, 0.5, seed=0) == table
    assert draw_availability(CASES, FOUR, 0.5, seed=1).incomplete != table.incomplete


def test_contrast_and_flair_are_missing_more_often():
    table = draw_availability(CASES, FOUR, 1.0, seed=0)
    lacking = {name: 1 - count / 2000 for name, count in table.counts().items()}
    # given that something lacks and something is there: of 1 - 0.8 * 0.4 * 0.8 * 0.5 - 0.2 * 0.6 * 0.2 * 0.5 = 0.86
    possible = 1 - np.prod([1 - p for p in MISSING.values()]) - np.prod(list(MISSING.values()))
    assert possible == pytest.approx(0.86)
    expected = (0.6 - 0.012) / possible
    assert lacking["T1ce"] == pytest.approx(expected, abs=0.04)
    assert lacking["T1ce"] > lacking["FLAIR"] > max(lacking["T1"], lacking["T2"])


def test_files_of_absent_modalities_are_one_volume_of_zeros(tmp_path):
    complete, folder = tmp_path / "Dataset001_Complete", tmp_path / "Dataset002_Incomplete"
    write_cohort(complete, TinyCohort(shape=(6, 8, 8), num_training=4, num_test=1))
    table = write_incomplete(complete, folder, 0.5, seed=0)
    assert read_availability(folder / "modality_availability.json", FOUR) == table
    listed = json.loads((folder / "dataset.json").read_text())["dataset"]
    assert len(table.incomplete) == 2
    for case, entry in listed.items():
        images, label_file = [folder / file for file in entry["images"]], folder / entry["label"]
        assert all(file.is_file() for file in images)
        zeros = {file for file, has in zip(images, table.of(case).present, strict=True) if not has}
        assert len(zeros) == (case in table.incomplete)
        for file in zeros:
            image, label = (SimpleITK.ReadImage(str(f)) for f in (file, label_file))
            assert not SimpleITK.GetArrayFromImage(image).any()
            assert (image.GetSize(), image.GetSpacing()) == (label.GetSize(), label.GetSpacing())
    assert len([file for file in (folder / "imagesTs").iterdir() if file.is_file()]) == 4


def test_an_interrupted_cohort_is_made_again(tmp_path):
    complete, folder = tmp_path / "Dataset001_Complete", tmp_path / "Dataset002_Incomplete"
    write_cohort(complete, TinyCohort(shape=(6, 8, 8), num_training=4, num_test=1))
    table = write_incomplete(complete, folder, 0.5, seed=0)
    (folder / "dataset.json").unlink()
    assert write_incomplete(complete, folder, 0.5, seed=0) == table
    assert (folder / "dataset.json").is_file()


def trainer_of(*lacking):
    present = {case: FOUR.subset("T1") if case in lacking else FOUR.all for case in "abc"}
    return SimpleNamespace(
        modalities=FOUR,
        available=AvailableModalities(Availability(FOUR, present)),
        do_split=lambda: (["a", "b", "c"], ["a", "b", "c"]),
    )


def test_arms_do_with_absent_modalities_what_they_say():
    known, dropped, data = (trainer_of("b") for _ in range(3))
    for trainer, absent in ((known, "known"), (dropped, "dropped"), (data, "data")):
        trial_module.handle_absent(trainer, absent)
    assert known.do_split()[0] == ["a", "b", "c"]
    assert known.available.codes("abc").tolist() == [15, 1, 15]
    assert dropped.do_split() == (["a", "c"], ["a", "c"])
    assert data.available.codes("abc").tolist() == [15, 15, 15]


def test_the_three_ways_are_compared_for_both_trainers():
    ways = {(arm.trainer, arm.absent) for arm in INCOMPLETE_ARMS.values() if arm.incomplete}
    assert len(ways) == 6
