"""The files of a dataset, whatever is between them."""

import os

import pytest

from nnunetv2_mstkd.datasets.layouts.source_files import list_source, split_ending
from nnunetv2_mstkd.errors import ConversionError

NIFTI = (".nii.gz", ".nii")


def write(folder, *paths) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


@pytest.mark.parametrize(
    ("name", "split"),
    [("a.nii.gz", ("a", ".nii.gz")), ("a.b.NII", ("a.b", ".NII")), ("a.gz", None), ("nii", None)],
)
def test_the_longest_ending_counts(name, split):
    assert split_ending(name, NIFTI) == split


def test_files_are_listed_by_path_without_ending(tmp_path):
    write(tmp_path, "b/x.nii.gz", "a/y.nii", "a/._y.nii", "a/notes.txt", ".hidden/z.nii")
    listing = list_source(tmp_path, NIFTI)
    assert [file.path for file in listing.files] == ["a/y", "b/x"]
    assert listing.others == [tmp_path / ".hidden", tmp_path / "a/._y.nii", tmp_path / "a/notes.txt"]
    assert listing.folders == ["a", "b"]


def test_a_folder_called_like_a_file_is_the_one_image_in_it(tmp_path):
    write(tmp_path, "a_t1.nii/0007_brain_t1.nii", "a_t1.nii/._0007.nii", "a_t1.nii/readme.txt")
    listing = list_source(tmp_path, NIFTI)
    assert [(file.path, file.file) for file in listing.files] == [("a_t1", tmp_path / "a_t1.nii/0007_brain_t1.nii")]
    assert listing.others == [tmp_path / "a_t1.nii/._0007.nii", tmp_path / "a_t1.nii/readme.txt"]
    assert listing.problems == []


@pytest.mark.parametrize(("files", "message"), [((), "has none"), (("x.nii", "y.nii"), "has 2 of them: x.nii, y.nii")])
def test_a_folder_called_like_a_file_with_no_one_image_is_a_problem(tmp_path, files, message):
    write(tmp_path, *(f"a_t1.nii.gz/{file}" for file in ("notes.txt", *files)))
    (problem,) = list_source(tmp_path, NIFTI).problems
    assert problem.case == "a_t1"
    assert message in problem.message


@pytest.mark.parametrize("name", [b"M\xfcller_t1.nii.gz", b"M\xfcller/t1.nii.gz", b"M\xfcller_t1.nii/x.nii"])
def test_an_image_whose_path_is_not_utf8_is_refused(tmp_path, name):
    write(tmp_path, os.fsdecode(name))
    with pytest.raises(ConversionError, match=r"M\\udcfcller.*: its path is not UTF-8"):
        list_source(tmp_path, NIFTI)


def test_a_folder_whose_own_path_is_not_utf8_is_refused(tmp_path):
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    write(folder, "a.nii.gz")
    with pytest.raises(ConversionError, match="is not UTF-8"):
        list_source(folder, NIFTI)


def test_files_that_are_no_images_may_be_called_anything(tmp_path):
    write(tmp_path, os.fsdecode(b"M\xfcller.txt"), os.fsdecode(b"._M\xfcller.nii.gz"), "a.nii.gz")
    assert [file.path for file in list_source(tmp_path, NIFTI).files] == ["a"]


def test_a_link_to_where_we_come_from_is_not_followed(tmp_path):
    write(tmp_path, "a/x.nii")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert [file.path for file in list_source(tmp_path, NIFTI).files] == ["a/x"]
