"""Fingerprint, plans and preprocessed data of an incomplete cohort: what is absent is no data."""

import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import SimpleITK
from incomplete_cohort import write_constant
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, read_availability
from nnunetv2_mstkd.inference.preprocessor import MSTKDPreprocessor
from nnunetv2_mstkd.planning.availability_lookup import find_availability

pytestmark = pytest.mark.slow

LACKS_TWO = "blobTr_005"  # T1ce and FLAIR


def voxels(folder, case):
    return nnUNetDatasetBlosc2(str(folder)).load_case(case)[0][:]


@pytest.fixture
def fingerprint(planned, tmp_path) -> Iterator[dict]:
    """The fingerprint, put back after the test."""
    kept = shutil.copy(planned / "dataset_fingerprint.json", tmp_path)
    yield json.loads((planned / "dataset_fingerprint.json").read_text())
    shutil.copy(kept, planned / "dataset_fingerprint.json")


@pytest.fixture
def not_zero(incomplete, incomplete_raw, tmp_path) -> Iterator[None]:
    """Where a case has no T1ce and no FLAIR stands another constant than zero, during the test."""
    file = incomplete.absent_file(incomplete_raw, LACKS_TWO)
    kept = shutil.copy(file, tmp_path)
    write_constant(file, SimpleITK.ReadImage(str(file)), 7)
    yield
    shutil.copy(kept, file)


def test_the_table_travels_with_the_preprocessed_data(planned, incomplete):
    assert read_availability(planned / AVAILABILITY_FILE, incomplete.modalities) == incomplete.availability


def test_zeros_are_not_in_the_statistics(planned, incomplete, fingerprint, stock):
    stock.run("nnUNetv2_extract_fingerprint", "-d", incomplete.number, "--clean", "-np", 1)
    nnunets = json.loads((planned / "dataset_fingerprint.json").read_text())
    smallest, counted = (
        [each["foreground_intensity_properties_per_channel"][str(channel)]["min"] for channel in range(4)]
        for each in (fingerprint, nnunets)
    )
    assert all(value > 0 for value in smallest)  # there is no zero in any image's head
    assert [value == 0 for value in counted] == [False, True, False, True]  # nnU-Net counts the absent ones
    assert fingerprint.keys() == nnunets.keys()


@pytest.mark.usefixtures("not_zero")
def test_what_would_move_the_crop_of_nnunet_is_refused(planned, incomplete, fingerprint, stock):
    output = stock.run(
        *("nnUNetv2_extract_fingerprint", "-d", incomplete.number, "-fpe", "MSTKDFingerprintExtractor"),
        *("--clean", "-np", 1),
        fails=True,
    )
    assert f"{LACKS_TWO}: T1ce is 7 everywhere: of an absent modality all voxels have to be zero" in output
    assert json.loads((planned / "dataset_fingerprint.json").read_text()) == fingerprint


@pytest.mark.usefixtures("not_zero")
def test_the_crop_of_our_preprocessor_is_that_of_the_present_channels(planned, incomplete_raw, fingerprint):
    plans = PlansManager(str(planned / "nnUNetPlansTiny.json"))
    dataset_json = json.loads((planned / "dataset.json").read_text())
    files = get_filenames_of_train_images_and_targets(str(incomplete_raw), dataset_json)
    images = files[LACKS_TWO]["images"]
    data, boxes = {}, {}
    for preprocessor in (DefaultPreprocessor, MSTKDPreprocessor):
        data[preprocessor], _, properties = preprocessor(verbose=False).run_case(
            images, None, plans, plans.get_configuration("3d_fullres"), dataset_json
        )
        boxes[preprocessor] = properties["bbox_used_for_cropping"]
    whole = [[0, length] for length in SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(images[0])).shape]
    assert np.array_equal(boxes[DefaultPreprocessor], whole)  # why it matters
    shape = fingerprint["shapes_after_crop"][sorted(files).index(LACKS_TWO)]
    assert [stop - start for start, stop in boxes[MSTKDPreprocessor]] == shape != [stop for _, stop in whole]
    assert np.array_equal(data[MSTKDPreprocessor], voxels(planned / "nnUNetPlansTiny_3d_fullres", LACKS_TWO))


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
def test_absent_modalities_are_zero_in_the_preprocessed_data(planned, incomplete, configuration):
    for case, subset in incomplete.availability.present.items():
        is_present = voxels(planned / f"nnUNetPlansTiny_{configuration}", case).any(axis=(1, 2, 3))
        assert tuple(is_present) == subset.present, case


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
def test_the_table_is_found_again_from_the_data(planned, incomplete, tmp_path, configuration):
    shutil.copytree(planned / f"nnUNetPlansTiny_{configuration}", tmp_path / "data")
    found = find_availability(tmp_path, tmp_path / "data", incomplete.modalities, list(incomplete.present))
    assert found == incomplete.availability
    assert (tmp_path / AVAILABILITY_FILE).read_text() == (planned / AVAILABILITY_FILE).read_text()


def test_our_preprocessor_gives_the_same_where_zeros_stay_zeros(planned, incomplete, stock):
    """z-scores leave them; the preprocessor is for schemes that do not."""
    options = ("-c", "3d_fullres", "-pl", "nnUNetPlannerTiny", "-fpe", "MSTKDFingerprintExtractor")
    own = ("-preprocessor_name", "MSTKDPreprocessor", "-overwrite_plans_name", "Own")
    stock.run("nnUNetv2_plan_and_preprocess", "-d", incomplete.number, *options, *own, "-npfp", 1, "-np", 1)
    plans = json.loads((planned / "Own.json").read_text())
    assert plans["configurations"]["3d_fullres"]["preprocessor_name"] == "MSTKDPreprocessor"
    for case in incomplete.present:
        expected = voxels(planned / "nnUNetPlansTiny_3d_fullres", case)
        assert np.array_equal(voxels(planned / "Own_3d_fullres", case), expected), case
