"""What a folder holds is recognised, or refused with what was found."""

import shutil

import pytest
from source_layouts import ROWS, write_source

from nnunetv2_mstkd.datasets.layouts.recognition import layout_called, recognise
from nnunetv2_mstkd.datasets.layouts.scan import scan
from nnunetv2_mstkd.datasets.layouts.source_files import list_source
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME, LAYOUTS
from nnunetv2_mstkd.errors import ConversionError

NIFTI = (".nii.gz", ".nii")


def names(folder) -> list[str]:
    return [layout.name for layout in recognise(list_source(folder, NIFTI))]


@pytest.mark.parametrize(
    ("layout", "readings"),
    [
        ("fets2022", ["fets2022"]),  # the names of 2024's are the same: so is everything else
        ("fets2024", ["fets2024"]),
        ("brats2021", ["brats2021"]),
        ("brats2023", ["brats2023", "brats-gli-post"]),
        ("brats-ped", ["brats-ped", "brats2023-ped"]),
    ],
)
def test_layouts_that_differ_in_labels_only_stay_open(tmp_path, layout, readings):
    write_source(tmp_path, layout, num_patients=1)
    assert names(tmp_path) == readings


def test_there_is_a_miniature_of_every_layout():
    assert set(ROWS) == set(BY_NAME)
    assert len(BY_NAME) == len(LAYOUTS)


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(ConversionError, match="has no image"):
        names(tmp_path)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "x.zip").touch()
    with pytest.raises(ConversionError, match="is no folder"):
        scan(tmp_path / "x.zip")


def test_a_mixed_folder_is_refused_with_what_is_in_it(tmp_path):
    write_source(tmp_path / "a", "brats2021", num_patients=1)
    write_source(tmp_path / "b", "ucsf-pdgm", num_patients=1)
    with pytest.raises(
        ConversionError, match=r"brats2021: 4, as a/BraTS2021_00001/.*; ucsf-pdgm: 8, as b/UCSF"
    ) as error:
        names(tmp_path)
    assert "--layout" in str(error.value)
    assert [case.name for case in scan(tmp_path, "brats2021").cases] == ["BraTS2021_00001"]


def test_unknown_names_are_refused_with_examples_and_the_list(tmp_path):
    (tmp_path / "p1").mkdir()
    (tmp_path / "p1" / "flair.nii.gz").touch()
    with pytest.raises(ConversionError, match="Found 1 images, as p1/flair") as error:
        names(tmp_path)
    assert all(name in str(error.value) for name in BY_NAME)


def test_what_a_layout_leaves_out_does_not_count(tmp_path):
    write_source(tmp_path, "brats-ssa", num_patients=1)
    shutil.rmtree(tmp_path / "95_Glioma")  # only 51_OtherNeoplasms is left
    with pytest.raises(ConversionError, match="names of no known layout"):
        names(tmp_path)


def test_an_nnunet_dataset_is_pointed_out(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "imagesTr" / "a_0000.nii.gz").touch()
    with pytest.raises(ConversionError, match="looks like an nnU-Net dataset"):
        names(tmp_path)


def test_the_right_folder_is_pointed_out(tmp_path):
    write_source(tmp_path / "msd", "msd-brain", num_patients=1)
    write_source(tmp_path / "above" / "cohort", "bids", num_patients=1)
    with pytest.raises(ConversionError, match="a part of msd-brain: give the folder above"):
        names(tmp_path / "msd" / "imagesTr")
    with pytest.raises(ConversionError, match="cohort in it looks like bids: give that folder"):
        names(tmp_path / "above")
    with pytest.raises(ConversionError, match="a part of bids: give the folder above"):
        names(tmp_path / "above" / "cohort" / "sub-01")


def test_a_layout_that_is_not_there_names_what_it_looks_like(tmp_path):
    write_source(tmp_path, "brats2021", num_patients=1)
    with pytest.raises(ConversionError, match=r"no image of the layout 'brats2020'.*looks like brats2021"):
        scan(tmp_path, "brats2020")


@pytest.mark.parametrize(("name", "nearest"), [("BraTS21", "brats2021"), ("msd", "msd-brain"), ("UPENN", "upenn-gbm")])
def test_a_misspelt_layout_is_answered_with_the_nearest(name, nearest):
    with pytest.raises(ConversionError, match=f"Did you mean '{nearest}'"):
        layout_called(name)


def test_a_name_and_a_description_exclude_each_other(tmp_path):
    with pytest.raises(ConversionError, match="not both"):
        scan(tmp_path, "brats2021", BY_NAME["bids"])
