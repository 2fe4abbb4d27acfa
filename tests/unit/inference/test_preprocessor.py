"""A case's channel files are the dataset's, complete and in order; absent modalities are zero, whatever the scheme."""

import numpy as np
import pytest
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.inference.preprocessor import (
    MSTKDPreprocessor,
    check_channel_files_of,
    require_channel_files,
    take_as_told,
)
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def files(*channels, ending=".nii.gz"):
    return [f"/data/case_7_{channel:04d}{ending}" for channel in channels]


@pytest.mark.parametrize("ending", [".nii.gz", ".png"])
def test_a_complete_case_passes(ending):
    require_channel_files(files(0, 1, 2, 3, ending=ending), MODALITIES, ending)


@pytest.mark.parametrize(
    ("channels", "missing", "extra"),
    [
        ((0, 1, 3), "Missing: _0002 T2", None),
        ((0,), "Missing: _0001 T1ce, _0002 T2, _0003 FLAIR", None),
        ((0, 1, 2, 4), "Missing: _0003 FLAIR", "_0004"),
        ((1, 2, 3, 4), "Missing: _0000 T1", "_0004"),
        ((0, 1, 2, 3, 4), None, "_0004"),
    ],
)
def test_wrong_channels_are_named(channels, missing, extra):
    with pytest.raises(ModalityError) as raised:
        require_channel_files(files(*channels), MODALITIES, ".nii.gz")
    message = str(raised.value)
    assert (missing or "Not a channel") in message
    assert ("Missing" in message) == bool(missing)
    assert f"Not a channel of the model: ['{extra}']" in message if extra else "Not a channel" not in message


@pytest.mark.parametrize("channels", [(1, 0, 2, 3), (0, 0, 1, 2)])
def test_wrong_order_and_doubles_are_refused(channels):
    with pytest.raises(ModalityError):
        require_channel_files(files(*channels), MODALITIES, ".nii.gz")


def test_files_with_names_of_their_own_are_only_counted():
    names = ["/data/t1.nii.gz", "/data/gd.nii.gz", "/data/t2.nii.gz", "/data/fl.nii.gz"]
    require_channel_files(names, MODALITIES, ".nii.gz")
    with pytest.raises(ModalityError, match="needs _0000 T1, _0001 T1ce, _0002 T2, _0003 FLAIR"):
        require_channel_files(names[:3], MODALITIES, ".nii.gz")


def test_files_that_the_dataset_lists_go_by_their_place_in_the_list(make_dataset, monkeypatch):
    listed = [f"/{name}/patient_0007.nii.gz" for name in MODALITIES]  # numbers of patients, not of channels
    dataset_json = {**make_dataset("regions").dataset_json, "dataset": {"7": {"images": listed, "label": "/seg"}}}
    monkeypatch.setattr(DefaultPreprocessor, "run_case", lambda self, image_files, *_: image_files)
    preprocessor = MSTKDPreprocessor(verbose=False)
    assert preprocessor.run_case(listed, None, None, None, dataset_json) == listed
    for wrong in (listed[:3], ["/elsewhere/patient_0007.nii.gz"] * 4):
        with pytest.raises(ModalityError, match="The channel files of this case"):
            preprocessor.run_case(wrong, None, None, None, dataset_json)


class Preprocess:
    """Both preprocessors on a test case of a dataset."""

    def __init__(self, dataset):
        self.plans = PlansManager(dataset.plans)
        self.dataset_json = dataset.dataset_json
        files = dataset.test_files(dataset.test_cases[0])
        self.image, self.properties = self.plans.image_reader_writer_class().read_images(files)

    def __call__(self, preprocessor_class, image):
        configuration = self.plans.get_configuration("3d_fullres")
        preprocessor = preprocessor_class(verbose=False)
        return preprocessor.run_case_npy(
            image, None, dict(self.properties), self.plans, configuration, self.dataset_json
        )


@pytest.fixture
def with_ct(make_dataset):
    """CT normalisation, which does not leave zero where it is, in channel 0."""
    return Preprocess(make_dataset("two_modalities"))


@pytest.mark.parametrize("value", [0, -1024, np.nan])
def test_an_absent_channel_is_zero_after_ct_normalisation(with_ct, value):
    image = with_ct.image.copy()
    image[0] = value
    data, _, _ = with_ct(MSTKDPreprocessor, image)
    assert (data[0] == 0).all()
    image[0] = 0
    stock, _, _ = with_ct(DefaultPreprocessor, image)
    assert (stock[0] != 0).all()  # why it matters
    assert np.array_equal(data[1], stock[1])


@pytest.mark.parametrize("value", [0, -1024])
def test_an_absent_channel_does_not_move_the_crop(with_ct, value):
    """The crop is that of the present channel alone."""
    image = with_ct.image.copy()
    image[1, :7] = 0  # slices that only the CT has
    image[0] = value
    _, _, properties = with_ct(MSTKDPreprocessor, image)
    expected = [[int(a.min()), int(a.max()) + 1] for a in np.nonzero(image[1])]
    assert [list(map(int, edges)) for edges in properties["bbox_used_for_cropping"]] == expected
    assert expected[0][0] == 7


@pytest.mark.parametrize("variant", ["regions", "two_modalities"])
def test_a_complete_case_is_preprocessed_as_by_nnunet(make_dataset, variant):
    case = Preprocess(make_dataset(variant))
    before = case.image.copy()
    (data, seg, _), (stock, stock_seg, _) = (case(c, case.image) for c in (MSTKDPreprocessor, DefaultPreprocessor))
    assert np.array_equal(data, stock)
    assert np.array_equal(seg, stock_seg)
    assert np.array_equal(case.image, before)


def test_the_image_of_the_caller_is_left_alone(with_ct):
    image = with_ct.image.copy()
    image[0] = -1024
    before = image.copy()
    with_ct(MSTKDPreprocessor, image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("values", [(0, 0), (-1024, 0), (0, 7), (-1024, 7)])
def test_a_blank_image_is_preprocessed_as_by_nnunet(with_ct, values):
    image = np.zeros_like(with_ct.image)
    image[0], image[1] = values
    (data, seg, found), (stock, stock_seg, expected) = (
        with_ct(preprocessor, image.copy()) for preprocessor in (MSTKDPreprocessor, DefaultPreprocessor)
    )
    assert np.array_equal(data, stock)
    assert np.array_equal(seg, stock_seg)
    assert found == expected


@pytest.mark.parametrize("value", [0, np.nan])
def test_a_case_of_nan_and_nothing_else_is_refused(with_ct, value):
    image = np.full_like(with_ct.image, np.nan)
    image[0] = value
    with pytest.raises(CaseError, match=r"The case has nothing: its channels are (0|NaN) everywhere, NaN everywhere"):
        with_ct(MSTKDPreprocessor, image)


# --- A network that has to be told ------------------------------------------------------------------------------------


@pytest.fixture
def untold(with_ct):
    """The configuration of a model that has to be told what a case has, and was not."""
    configuration = with_ct.plans.get_configuration("3d_fullres")
    check_channel_files_of(configuration, Modalities.from_dataset_json(with_ct.dataset_json).all)
    yield configuration
    take_as_told(configuration)


@pytest.mark.parametrize("value", [0, -1024, np.nan])
def test_an_empty_channel_is_refused_where_the_network_was_not_told(with_ct, untold, value):
    image = with_ct.image.copy()
    image[1] = value
    first, second = with_ct.dataset_json["channel_names"].values()
    with pytest.raises(
        ModalityError, match=rf"holds nothing in _0001 {second}, .* MSTKD_MODALITIES={first} "
    ) as raised:
        with_ct(MSTKDPreprocessor, image)
    assert "mstkd predict" in str(raised.value)
    take_as_told(untold)
    assert not with_ct(MSTKDPreprocessor, image)[0][1].any()


@pytest.mark.parametrize("named", [0, 1])
def test_an_empty_channel_is_refused_where_the_network_was_told_that_it_is_there(with_ct, untold, named):
    modalities = Modalities.from_dataset_json(with_ct.dataset_json)
    check_channel_files_of(untold, modalities.subset(modalities.names[named]))
    image = with_ct.image.copy()
    image[1] = 0
    if named == 0:  # what is not named may be empty
        assert not with_ct(MSTKDPreprocessor, image)[0][1].any()
        return
    suggested = f"such as MSTKD_MODALITIES={modalities.names[0]} "
    with pytest.raises(
        ModalityError, match=rf"holds nothing in _0001 .* takes what MSTKD_MODALITIES names.*{suggested}"
    ):
        with_ct(MSTKDPreprocessor, image)


def test_an_image_that_is_zero_in_parts_and_a_blank_one_are_none_of_it(with_ct, untold):
    image = with_ct.image.copy()
    image[1, : len(image[1]) // 2] = 0
    with_ct(MSTKDPreprocessor, image)
    with_ct(MSTKDPreprocessor, np.zeros_like(image))


def test_the_mark_stays_out_of_the_plans_and_goes_with_the_next_model(with_ct, untold):
    planned = with_ct.plans.plans["configurations"]["3d_fullres"].keys()
    assert untold.configuration.keys() - planned == {"mstkd_not_empty"}
    check_channel_files_of(untold)
    assert untold.configuration.keys() == planned
