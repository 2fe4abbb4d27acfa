"""Files that are written whole or not at all."""

import multiprocessing
import os
import subprocess
import sys

import pytest

from nnunetv2_mstkd.whole_file import whole_file


def test_the_file_takes_the_place_of_the_old_one_at_the_end(tmp_path):
    file = tmp_path / "file.json"
    file.write_text("old")
    with whole_file(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_file(tmp_path):
    file = tmp_path / "file.json"
    file.write_text("old")
    with pytest.raises(FileNotFoundError), whole_file(file):  # nothing was written
        pass
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_temporary_name_is_hidden_and_keeps_the_ending(tmp_path):
    with whole_file(tmp_path / "case.nii.gz") as temporary:
        temporary.touch()
        assert temporary.name.startswith(".partial_")
        assert temporary.name.endswith("_case.nii.gz")


def test_hosts_that_share_a_folder_have_names_of_their_own(tmp_path):
    """Processes of two hosts, or of two containers, often have the same number."""
    code = (
        "import os, sys; from pathlib import Path; os.getpid = lambda: 17\n"
        "from nnunetv2_mstkd.whole_file import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as temporary: temporary.touch(); print(temporary.name)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "record.json")]
    names = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert all(name.endswith("_record.json\n") for name in names)
    assert names[0] != names[1]


def test_two_files_of_one_name_have_temporaries_of_one_name(tmp_path):
    """The writer of TIFF files writes a .json beside whatever name it is given."""
    with whole_file(tmp_path / "case.tif") as labels, whole_file(tmp_path / "case.json") as spacing:
        labels.touch()
        spacing.touch()
        assert labels.stem == spacing.stem


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_the_file_may_be_read_by_whom_the_umask_lets(tmp_path):
    previous = os.umask(0o027)
    try:
        with whole_file(tmp_path / "record.json") as temporary:
            temporary.write_text("{}")
    finally:
        os.umask(previous)
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o640


def write_repeatedly(file, letter, start):
    start.wait()
    for _ in range(200):
        with whole_file(file) as temporary:
            temporary.write_text(letter * 10_000)


def test_processes_that_write_the_same_file_do_not_disturb_each_other(tmp_path):
    """Parts of a prediction that were started together do."""
    file, context = tmp_path / "plans.json", multiprocessing.get_context("fork")
    start = context.Barrier(2)
    writers = [context.Process(target=write_repeatedly, args=(file, letter, start)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert file.read_text() in ("a" * 10_000, "b" * 10_000)
    assert list(tmp_path.iterdir()) == [file]
