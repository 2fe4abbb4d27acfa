"""What predictions have in place of the labels; worked out by hand, and by nnU-Net's own label manager."""

import itertools

import numpy as np
import pytest

from nnunetv2_mstkd.datasets.declared_labels import painted_values, values_behind
from nnunetv2_mstkd.errors import ConversionError

REGIONS = {"background": 0, "WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}


def dataset_json(labels, order=None) -> dict:
    return {"labels": labels, "regions_class_order": order}


@pytest.mark.parametrize(
    ("order", "painted"),
    [
        ([2, 1, 3], {0: 0, 1: 1, 2: 2, 3: 3}),
        ([1, 2, 3], {0: 0, 1: 2, 2: 1, 3: 3}),  # WT paints 1, TC 2 over it, ET 3 over that
        ([2, 1, 4], {0: 0, 1: 1, 2: 2, 3: 4}),
    ],
)
def test_what_is_painted_last_stays(order, painted):
    assert painted_values(dataset_json(REGIONS, order)) == painted
    assert values_behind(dataset_json(REGIONS, order)) == {new: value for value, new in painted.items()}


def test_labels_that_are_no_regions_stay_as_they_are_and_ignore_is_not_predicted():
    assert values_behind(dataset_json({"background": 0, "a": 1, "b": [2], "ignore": 3})) == {0: 0, 1: 1, 2: 2}


def test_a_value_that_stands_for_several_of_the_same_regions_is_the_one_of_its_number():
    labels = {"background": 0, "WT": [1, 2, 3], "TC": [1, 3]}
    assert values_behind(dataset_json(labels, [2, 1])) == {0: 0, 1: 1, 2: 2}
    assert values_behind(dataset_json(labels, [2, 3])) == {0: 0, 3: 3, 2: 2}
    with pytest.raises(ConversionError, match=r"\[2, 4\] gives 1 and 3 of the labels the same value, 4"):
        values_behind(dataset_json(labels, [2, 4]))


@pytest.mark.parametrize(
    ("order", "told"), [([2, 2, 3], "1 and 2 of the labels"), ([0, 1, 3], "0 and 2 of the labels")]
)
def test_an_order_that_makes_one_of_two_labels_has_no_way_back(order, told):
    with pytest.raises(ConversionError, match=told):
        values_behind(dataset_json(REGIONS, order))


@pytest.mark.parametrize("order", [None, [2, 1], ["2", "1", "3"], [2, 1, True], [2, 1, 300], 3])
def test_an_order_that_is_not_one_number_per_region_is_refused(order):
    with pytest.raises(ConversionError, match=r"there are 3 regions \(WT, TC, ET\)"):
        painted_values(dataset_json(REGIONS, order))


@pytest.mark.slow  # imports nnU-Net
@pytest.mark.parametrize("order", [*itertools.permutations((1, 2, 3)), (2, 1, 4)])
@pytest.mark.parametrize("names", list(itertools.permutations(("WT", "TC", "ET"))))
def test_nnunet_paints_just_so(order, names):
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    labels = {"background": 0, **{name: REGIONS[name] for name in names}}
    seg = np.array([[[0, 1, 2, 3]]])
    without_error = np.stack([np.isin(seg, region) for region in list(labels.values())[1:]]).astype(np.float32)
    predicted = LabelManager(labels, list(order)).convert_probabilities_to_segmentation(without_error)
    assert painted_values(dataset_json(labels, list(order))) == dict(enumerate(predicted[0, 0].tolist()))
