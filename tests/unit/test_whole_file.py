"""Files that are written whole or not at all."""

import multiprocessing

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
