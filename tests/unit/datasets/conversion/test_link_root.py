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


def test_a_name_in_which_nnunet_would_replace_something_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CASE", "x")
    with pytest.raises(ConversionError, match="as it replaces variables in names"):
        LinkRoot.of(str(tmp_path)).name(tmp_path / "$CASE_1" / "$CASE.nii")


def test_a_file_outside_of_the_source_is_named_by_its_own_path(tmp_path, monkeypatch):
    monkeypatch.setenv("BRATS", str(tmp_path / "data"))
    assert LinkRoot.of("$BRATS").name(tmp_path / "labels/a.nii") == str(tmp_path / "labels/a.nii")
