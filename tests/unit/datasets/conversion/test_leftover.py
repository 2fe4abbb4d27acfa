"""Half-written files go with their process, and not before."""

import os
import subprocess
import sys

import pytest

from nnunetv2_mstkd.datasets.conversion.leftover import remove_leftovers
from nnunetv2_mstkd.whole_file import whole_file


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_those_of_a_process_that_is_gone_are_removed(tmp_path, gone):
    (tmp_path / "imagesTr").mkdir()
    for folder in (tmp_path, tmp_path / "imagesTr"):
        (folder / f".partial_0123abcd{gone}_x.nii.gz").touch()
        (folder / ".hidden").touch()
    remove_leftovers(tmp_path)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [".hidden", ".hidden"]


def test_those_of_a_running_process_stay(tmp_path):
    with whole_file(tmp_path / "dataset.json") as temporary:
        temporary.write_text("{}")
        other = tmp_path / f".partial_0123abcd{os.getppid()}_x.nii.gz"
        other.touch()
        remove_leftovers(tmp_path)
        assert temporary.is_file()
        assert other.is_file()


def test_a_killed_process_leaves_what_is_removed(tmp_path):
    """The name that whole_file gives is the one that is looked for."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom nnunetv2_mstkd.whole_file import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n    file.touch()\n    os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.nii.gz")], check=False)
    assert [file.name.startswith(".partial_") for file in tmp_path.iterdir()] == [True]
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
