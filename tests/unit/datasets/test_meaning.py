"""What names and regions imply."""

import pytest

from nnunetv2_mstkd.datasets.meaning import implied_meanings


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing_tumor": [3]}, {1: "ED", 2: "NCR", 3: "ET"}),
        ({"WT": [1, 2, 3], "TC": [1, 3], "ET": [3], "RC": [4]}, {1: "NCR", 2: "ED", 3: "ET", 4: "RC"}),
        (
            {"whole_tumour": [1, 2, 3, 4], "tumour_core": [1, 2, 3], "cystic_component": [3], "enhancing_tumour": [1]},
            {1: "ET", 2: "NCR", 3: "CC", 4: "ED"},
        ),
        ({"edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3}, {1: "ED", 2: "NCR", 3: "ET"}),
        ({"whole_tumor": [1, 2], "enhancing_tumor": [2]}, {2: "ET"}),  # 1 may be oedema or necrosis
        ({"liver": 1, "lesion": 2}, {}),
    ],
)
def test_meanings(labels, expected):
    assert implied_meanings({"labels": {"background": 0, **labels}}) == expected
