"""How derivatives name the images that they were made of."""

from pathlib import Path

import pytest

from nnunetv2_mstkd.datasets.back.source_images import SourceImages
from nnunetv2_mstkd.errors import ConversionError


@pytest.fixture
def raw(tmp_path):
    """A dataset with one image."""
    (tmp_path / "study/raw/sub-01/anat").mkdir(parents=True)
    (tmp_path / "study/raw/sub-01/anat/sub-01_T1w.nii.gz").touch()
    return tmp_path / "study/raw"


@pytest.mark.parametrize(
    ("derivatives", "link"),
    [
        ("study/raw/derivatives/mstkd", "../.."),
        ("study/mstkd", "../raw"),
        ("study/derivatives/a b/mstkd", "../../../raw"),
        ("study", "raw"),
    ],
)
def test_the_link_is_relative_to_the_derivatives(raw, tmp_path, derivatives, link):
    assert SourceImages.of(raw, tmp_path / derivatives).link == link


def test_the_link_is_a_uri(tmp_path):
    (tmp_path / "my raw%").mkdir()
    assert SourceImages.of(tmp_path / "my raw%", tmp_path / "out").link == "../my%20raw%25"


def test_there_is_no_link_where_it_would_tell_the_home_or_the_root(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "study"))
    assert SourceImages.of(raw, tmp_path / "study/out").link == "../raw"  # both in it
    assert SourceImages.of(raw, tmp_path / "out").link is None  # above it
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert SourceImages.of(raw, Path("/elsewhere/out")).link is None


def test_an_image_is_named_by_its_place_in_the_dataset(raw, tmp_path):
    sources = SourceImages.of(raw, tmp_path / "out")
    assert sources.uri(raw / "sub-01/anat/sub-01_T1w.nii.gz") == "bids:sources:sub-01/anat/sub-01_T1w.nii.gz"
    assert sources.uri(raw / "a b.nii.gz") == "bids:sources:a%20b.nii.gz"
    assert sources.uri(tmp_path / "elsewhere.nii.gz") is None


def test_what_symbolic_links_stand_for_is_named_by_the_links(raw, tmp_path):
    # DataLad keeps files in a hidden folder; predictions are recorded without links
    (raw / ".git/annex").mkdir(parents=True)
    (raw / ".git/annex/MD5E.nii.gz").touch()
    (raw / "sub-01/anat/sub-01_T2w.nii.gz").symlink_to(raw / ".git/annex/MD5E.nii.gz")
    (tmp_path / "disk/sub-02").mkdir(parents=True)
    (raw / "sub-02").symlink_to(tmp_path / "disk/sub-02")
    sources = SourceImages.of(raw, tmp_path / "out")
    assert sources.uri(raw / ".git/annex/MD5E.nii.gz") == "bids:sources:sub-01/anat/sub-01_T2w.nii.gz"
    assert sources.uri(tmp_path / "disk/sub-02/x.nii.gz") == "bids:sources:sub-02/x.nii.gz"


def test_a_dataset_that_is_a_link_is_the_one_that_it_stands_for(raw, tmp_path):
    (tmp_path / "link").symlink_to(raw)
    sources = SourceImages.of(tmp_path / "link", tmp_path / "out")
    assert sources.uri(raw / "x.nii.gz") == "bids:sources:x.nii.gz"


def test_a_dataset_without_any_of_the_images_is_refused(raw, tmp_path):
    sources = SourceImages.of(raw, tmp_path / "out")
    with pytest.raises(ConversionError, match=r"raw holds none of the images that were predicted, such as /data/x"):
        sources.require_any(iter([Path("/data/x.nii.gz")]))
    sources.require_any([tmp_path / "x.nii.gz", raw / "y.nii.gz"])
    sources.require_any([])
