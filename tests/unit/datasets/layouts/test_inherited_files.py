"""Of files above an image, those that are of it are told, the nearest first."""

from pathlib import Path

from nnunetv2_mstkd.datasets.layouts.inherited_files import InheritedFiles

IMAGE = Path("d/sub-01/anat/sub-01_ce-gd_run-1_T1w.nii.gz")


def test_the_nearest_and_most_exact_comes_first():
    files = [
        Path("d/T1w.json"),
        Path("d/sub-01/sub-01_T1w.json"),
        Path("d/sub-01/anat/sub-01_T1w.json"),
        Path("d/sub-01/anat/sub-01_ce-gd_run-1_T1w.json"),
        Path("d/sub-01/anat/sub-01_ce-gd_T1w.json"),
    ]
    assert InheritedFiles(files, ".json").of(IMAGE) == [files[3], files[1], files[0]]


def test_others_are_not_of_it():
    files = [
        Path("d/sub-01/anat/sub-01_run-2_T1w.json"),  # another run
        Path("d/sub-01/anat/sub-01_T2w.json"),  # another suffix
        Path("d/sub-02/T1w.json"),  # no folder above it
        Path("d/sub-01/anat/._sub-01_T1w.json"),  # hidden
        Path("d/sub-01/anat/sub-01_T1w.tsv"),  # another kind
    ]
    assert InheritedFiles(files, ".json").of(IMAGE) == []
