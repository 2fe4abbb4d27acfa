"""Label maps, region by region."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.label_reference import LabelReference
from nnunetv2_mstkd.evaluation.reference import Reference
from nnunetv2_mstkd.regions import Region

REGIONS = (Region("whole_tumor", (1, 2, 3)), Region("tumor_core", (2, 3)), Region("enhancing_tumor", (3,)))
SPACING_MM = (2.0, 1.0, 0.5)
SHAPE = (14, 15, 16)


def label_map(seed, start=3):
    labels = np.zeros(SHAPE, np.uint8)
    labels[start : start + 6, 4:9, 5:12] = np.random.default_rng(seed).integers(0, 4, (6, 5, 7))
    return labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int64, np.float32])
def test_each_region_is_the_union_of_its_labels(dtype):
    truth, predicted = label_map(0), label_map(1, start=5)
    found = LabelReference(truth.astype(dtype), REGIONS, SPACING_MM, tolerance_mm=2.0).compare(predicted.astype(dtype))
    assert list(found) == ["whole_tumor", "tumor_core", "enhancing_tumor"]
    for region in REGIONS:
        expected = Reference(np.isin(truth, region.labels), SPACING_MM, tolerance_mm=2.0).compare(
            np.isin(predicted, region.labels)
        )
        assert found[region.name] == expected


def test_a_region_that_one_of_the_maps_lacks_is_empty():
    truth, predicted = label_map(0), label_map(1)
    truth[truth == 3] = 2
    facts = LabelReference(truth, REGIONS, SPACING_MM).compare(predicted)["enhancing_tumor"]
    assert facts.is_reference_empty
    assert facts.voxels_prediction == (predicted == 3).sum()


def test_maps_of_background_alone_are_two_empty_masks():
    facts = LabelReference(np.zeros(SHAPE, np.uint8), REGIONS, SPACING_MM).compare(np.zeros(SHAPE, np.uint8))
    assert all(f.is_reference_empty and f.is_prediction_empty for f in facts.values())


def test_a_prediction_of_nothing_leaves_the_reference_alone():
    facts = LabelReference(label_map(0), REGIONS, SPACING_MM).compare(np.zeros(SHAPE, np.uint8))
    assert facts["whole_tumor"].voxels_reference == (label_map(0) > 0).sum()
    assert facts["whole_tumor"].hd95_reference_mm is None


def test_where_the_reference_has_the_ignore_label_nothing_counts():
    truth, predicted = label_map(0), label_map(1)
    ignored = np.random.default_rng(2).random(SHAPE) < 0.4
    facts = LabelReference(np.where(ignored, 4, truth), REGIONS, SPACING_MM, ignore_label=4).compare(predicted)
    truth[ignored] = predicted[ignored] = 0
    assert facts == LabelReference(truth, REGIONS, SPACING_MM).compare(predicted)


def test_labels_that_no_region_has_are_background():
    truth, predicted = label_map(0), label_map(1)
    expected = LabelReference(truth, REGIONS, SPACING_MM).compare(predicted)
    truth[0], predicted[-1] = 9, 17
    assert LabelReference(truth, REGIONS, SPACING_MM).compare(predicted) == expected


def test_a_region_of_the_background_is_possible():
    truth, predicted = label_map(0), label_map(1)
    facts = LabelReference(truth, [Region("rest", (0, 1))], SPACING_MM).compare(predicted)["rest"]
    assert (facts.voxels_reference, facts.voxels_both) == ((truth < 2).sum(), ((truth < 2) & (predicted < 2)).sum())


def test_threads_share_it():
    truth = LabelReference(label_map(0), REGIONS, SPACING_MM, lesion_wise=True)
    predictions = [label_map(seed, start=seed % 8) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(truth.compare, predictions)) == [truth.compare(p) for p in predictions]


def test_another_shape_is_an_error_that_shows_both():
    with pytest.raises(EvaluationError, match=r"\(14, 15\).*\(14, 15, 16\)"):
        LabelReference(label_map(0), REGIONS, SPACING_MM).compare(label_map(0)[..., 0])


def test_labels_that_are_not_whole_are_an_error_that_says_whose():
    for fault in (0.5, np.nan):
        image = label_map(0).astype(np.float32)
        image[5, 5, 5] = fault
        with pytest.raises(EvaluationError, match="prediction has labels that are no whole numbers"):
            LabelReference(label_map(0), REGIONS, SPACING_MM).compare(image)
        with pytest.raises(EvaluationError, match="reference has labels that are no whole numbers"):
            LabelReference(image, REGIONS, SPACING_MM)


def test_complex_numbers_are_no_labels():
    with pytest.raises(EvaluationError, match="complex64"):
        LabelReference(label_map(0).astype(np.complex64), REGIONS, SPACING_MM)
