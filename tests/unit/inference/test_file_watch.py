"""Files that change between the check of a case and its prediction."""

import os

import pytest

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.file_watch import FileWatch


@pytest.fixture
def file(tmp_path):
    (tmp_path / "case_0000.nii.gz").write_text("image")
    return tmp_path / "case_0000.nii.gz"


@pytest.fixture
def watch(file):
    watch = FileWatch()
    watch.note("case", [file])
    return watch


def test_files_that_stay_pass(watch, file):
    watch.require_unchanged("case", [file])


@pytest.mark.parametrize(
    "change", [lambda file: file.write_text("longer image"), lambda file: os.utime(file, (0, 0)), os.unlink]
)
def test_a_changed_file_is_named(watch, file, change):
    change(file)
    with pytest.raises(CaseError, match=r"changed while it was predicted: .*case_0000\.nii\.gz; predict it again"):
        watch.require_unchanged("case", [file])


def test_a_file_with_a_spacing_that_was_not_there_is_named(watch, file):
    beside = file.with_name("case.json")
    beside.touch()
    with pytest.raises(CaseError, match=r"case\.json"):
        watch.require_unchanged("case", [file, beside])
