"""How dataset.json names files that stay in their place."""

import os

import pytest

from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.errors import ConversionError


def test_without_a_variable_names_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = LinkRoot.of("data/brats")
    assert root.name(tmp_path / "data/brats/a/a_t1.nii") == f"{tmp_path}/data/brats/a/a_t1.nii"


def test_a_variable_that_the_shell_left_alone_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATS", str(tmp_path))
    root = LinkRoot.of("$BRATS/training/")
    assert root.folder == tmp_path / "training"
    told = root.name(tmp_path / "training/a_t1.nii")
    assert told == "$BRATS/training/a_t1.nii"
    assert os.path.expandvars(told) == str(tmp_path / "training/a_t1.nii")  # what nnU-Net does


@pytest.mark.parametrize(("inside", "expected"), [(".", "$BRATS/a.nii"), ("x/y", "$BRATS/x/y/a.nii")])
def test_a_variable_can_be_named(tmp_path, monkeypatch, inside, expected):
    monkeypatch.setenv("BRATS", str(tmp_path))
    root = LinkRoot.of(str(tmp_path / inside), "BRATS")
    assert root.name(tmp_path / inside / "a.nii") == expected
    assert LinkRoot.of(str(tmp_path / inside), "$BRATS") == root


@pytest.mark.parametrize("value", [None, "", "relative"])
def test_a_variable_without_an_absolute_path_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.delenv("BRATS", raising=False)
    if value is not None:
        monkeypatch.setenv("BRATS", value)
    if value != "":  # then it is the root folder's, for nnU-Net as well
        with pytest.raises(ConversionError, match="BRATS"):
            LinkRoot.of("$BRATS/training")
    with pytest.raises(ConversionError, match="BRATS must be set to an absolute path"):
        LinkRoot.of(str(tmp_path), "BRATS")


def test_a_variable_that_leads_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATS", str(tmp_path / "other"))
    with pytest.raises(ConversionError, match=r"the source .*/data is not in it"):
        LinkRoot.of(str(tmp_path / "data"), "BRATS")


@pytest.mark.parametrize("is_set", [True, False])  # it may be on the computer that trains
def test_a_name_in_which_nnunet_would_replace_something_is_refused(tmp_path, monkeypatch, is_set):
    monkeypatch.delenv("CASE", raising=False)
    if is_set:
        monkeypatch.setenv("CASE", "x")
    with pytest.raises(ConversionError, match=r"replaces variables in names, here '\$CASE': use --copy or --symlink"):
        LinkRoot.of(str(tmp_path)).name(tmp_path / "a" / "x$CASE.nii")


@pytest.mark.parametrize("name", ["costs 5$", "a$-b", "$"])
def test_a_dollar_that_stands_for_nothing_is_a_name(tmp_path, name):
    assert LinkRoot.of(str(tmp_path)).name(tmp_path / name / "a.nii") == f"{tmp_path}/{name}/a.nii"


@pytest.mark.parametrize("inside", ["", "/training"])
def test_a_folder_that_is_called_like_a_variable_is_found_and_named_by_one(tmp_path, monkeypatch, inside):
    monkeypatch.delenv("b", raising=False)
    folder = tmp_path / "a$b"
    (folder / "training").mkdir(parents=True)
    root = LinkRoot.of(f"{folder}{inside}")
    assert root.folder == tmp_path / f"a$b{inside}"
    with pytest.raises(ConversionError, match="name it by --root-variable"):
        root.name(root.folder / "x.nii")
    monkeypatch.setenv("BRATS", str(folder))
    told = LinkRoot.of(f"{folder}{inside}", "BRATS").name(root.folder / "x.nii")
    assert told == f"$BRATS{inside}/x.nii"
    monkeypatch.setenv("b", "else")
    assert os.path.expandvars(told) == f"{folder}{inside}/x.nii"  # what nnU-Net does


def test_a_variable_that_holds_a_folder_further_up_does_not_help(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATS", str(tmp_path))
    (tmp_path / "a$b").mkdir()
    with pytest.raises(ConversionError, match=r"--root-variable BRATS must hold .*a\$b itself"):
        LinkRoot.of(str(tmp_path / "a$b"), "BRATS")


def test_a_file_outside_of_the_source_is_named_by_its_own_path(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATS", str(tmp_path / "data"))
    assert LinkRoot.of("$BRATS").name(tmp_path / "labels/a.nii") == str(tmp_path / "labels/a.nii")
