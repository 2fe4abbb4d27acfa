"""Labels become consecutive, regions keep their order, and there is a way back."""

import pytest

from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet, target_labels
from nnunetv2_mstkd.datasets.layouts.table import LAYOUTS
from nnunetv2_mstkd.errors import ConversionError

SETS = {layout.name: layout.label_set for layout in LAYOUTS if layout.label_set}


def painted(labels: dict, order: tuple[int, ...], value: int) -> int:
    """What nnU-Net writes where exactly the regions that hold `value` are on: each paints over those before it."""
    result = 0
    regions = [numbers for name, numbers in labels.items() if name != "background"]
    for numbers, paint in zip(regions, order, strict=True):
        if value in numbers:
            result = paint
    return result


@pytest.mark.parametrize("preset", ["native", "nnunet"])
@pytest.mark.parametrize("name", SETS)
def test_every_label_survives_the_way_through_regions_and_back(name, preset):
    target = target_labels(SETS[name], preset)
    assert sorted(target.values.values()) == list(range(len(SETS[name].meanings) + 1))
    for native, value in target.values.items():
        assert painted(target.labels, target.regions_class_order, value) == value
        assert target.native_values[value] == native


@pytest.mark.parametrize(
    ("meanings", "preset", "labels", "order"),
    [
        # DATA.md: native23 and Dataset137
        (
            {1: "NCR", 2: "ED", 3: "ET"},
            "native",
            {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]},
            (2, 1, 3),
        ),
        (
            {1: "NCR", 2: "ED", 4: "ET"},
            "nnunet",
            {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing_tumor": [3]},
            (1, 2, 3),
        ),
        (
            {1: "NCR", 2: "ED", 3: "ET", 4: "RC"},
            "native",
            {
                "background": 0,
                "whole_tumor": [1, 2, 3],
                "tumor_core": [1, 3],
                "enhancing_tumor": [3],
                "resection_cavity": [4],
            },
            (2, 1, 3, 4),
        ),
        ({3: "lesion", 5: "node"}, "native", {"background": 0, "lesion": 1, "node": 2}, None),
    ],
)
def test_labels_of_dataset_json_in_the_order_that_is_meaning(meanings, preset, labels, order):
    target = target_labels(LabelSet(meanings), preset)
    assert list(target.labels.items()) == list(labels.items())
    assert target.regions_class_order == order


def test_values_without_gaps_are_left_alone():
    assert not target_labels(LabelSet({1: "NCR", 2: "ED", 3: "ET"})).changes
    assert target_labels(LabelSet({1: "NCR", 2: "ED", 4: "ET"})).changes


def test_what_cannot_be_asked_for_is_refused():
    with pytest.raises(ConversionError, match="presets are native, nnunet"):
        target_labels(LabelSet({1: "NCR"}), "brats")
    with pytest.raises(ConversionError, match="for the labels of brain tumours"):
        target_labels(LabelSet({1: "lesion"}), "nnunet")
