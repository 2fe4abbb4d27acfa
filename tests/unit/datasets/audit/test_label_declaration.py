"""dataset.json against itself; what nnU-Net paints was worked out by hand."""

import pytest

from nnunetv2_mstkd.datasets.audit.label_declaration import check_declaration
from nnunetv2_mstkd.errors import EvaluationError

BRATS_2023 = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}


def found(labels, order=None) -> list[str]:
    dataset_json = {"labels": labels} if order is None else {"labels": labels, "regions_class_order": order}
    return [str(finding) for finding in check_declaration(dataset_json)]


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (BRATS_2023, [2, 1, 3]),
        ({"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}, [1, 2, 3]),
        ({**BRATS_2023, "resection_cavity": [4]}, [2, 1, 3, 4]),
        ({"background": 0, "edema": 1, "necrosis": 2, "enhancing tumor": 3}, None),
        ({"background": 0, "lesion": 1, "ignore": 2}, None),
    ],
)
def test_what_is_right_is_found_right(labels, order):
    assert found(labels, order) == []


@pytest.mark.parametrize(
    ("labels", "order", "message"),
    [
        ({"background": 0, "a": 1, "b": 2, "c": 4}, None, "the values are 0, 1, 2, 4; nnU-Net wants 0, 1, 2, ..."),
        ({"background": 0, "ignore": 1, "a": 2}, None, "'ignore' must be the highest value, 2; it is 1"),
        ({"a": 0, "b": 1}, None, "'background' must be 0; it is None"),
        (BRATS_2023, None, "is None, but there are 3 regions (whole_tumor, tumor_core, enhancing_tumor)"),
        (BRATS_2023, [2, 1], "is [2, 1], but there are 3 regions"),
        (BRATS_2023, ["2", "1", "3"], "is ['2', '1', '3'], but there are 3 regions"),
        ({"background": 0, "a": 1, "b": 1}, None, "error: labels: a and b are both 1;"),
        ({"background": 0, "a": [1, 2], "b": [2, 1]}, [1, 2], "error: labels: a and b are both 1, 2;"),
        ({"background": 0, "a": [0, 1], "b": [1]}, [1, 1], "error: labels: a is [0, 1], and holds 0"),
        # 1 is in whole tumour and core: painted 1, then 2. 2 is in the whole alone: painted 1
        (BRATS_2023, [1, 2, 3], "[1, 2, 3] does not give the labels back: 1 comes back as 2, 2 comes back as 1."),
        # the smallest region first: whole tumour paints over all
        (
            {"background": 0, "enhancing_tumor": [3], "tumor_core": [1, 3], "whole_tumor": [1, 2, 3]},
            [3, 1, 2],
            "1 comes back as 2, 3 comes back as 2",
        ),
        (
            {"background": 0, "whole_tumor": [1, 2], "tumor_core": [1, 3], "enhancing_tumor": [3]},
            [2, 1, 3],
            "whole_tumor is [1, 2], tumor_core [1, 3]: whole_tumor must hold all of tumor_core, but lacks 3",
        ),
        (
            {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [2]},
            [2, 1, 3],
            "tumor_core must hold all of enhancing_tumor, but lacks 2",
        ),
        (
            {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [1, 3]},
            [2, 1, 3],
            "warning: regions: enhancing_tumor is [1, 3]; in every known labelling it is one value",
        ),
        (
            {"background": 0, "whole_tumor": [1, 2, 3, 4], "resection_cavity": [4], "tumor_core": [1, 3], "ET": [3]},
            [2, 4, 1, 3],
            "whole_tumor [1, 2, 3, 4] holds resection_cavity",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_numbers(labels, order, message):
    assert any(message in line for line in found(labels, order)), found(labels, order)


def test_single_labels_need_not_hold_each_other():
    assert found({"background": 0, "tumor core": 1, "enhancing tumor": 2}) == []


def test_damaged_labels_are_refused():
    with pytest.raises(EvaluationError):
        check_declaration({"labels": {"background": 0, "a": "1"}})
