"""Facts of a pair of masks, and their way through JSON."""

import json

import numpy as np
import pytest

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.lesion_facts import LesionFacts
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.reference import Reference

LESIONS = LesionFacts((300.0, 20.0), (0.5, 0.0), (2.0, None), 1)
FULL = MaskFacts(100, 80, 60, 0.0012, 3.25, 4.5, 4.0, 0.75, LESIONS)
EMPTY = MaskFacts(0, 80, 0, 0.001, None, None, None, None)


@pytest.mark.parametrize("facts", [FULL, EMPTY])
def test_json_gives_back_the_same_facts(facts):
    assert MaskFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_json_of_a_pair_without_lesions_has_no_entry_for_them():
    assert "lesions" not in EMPTY.to_json()


def test_volumes_are_voxels_times_the_volume_of_one():
    assert FULL.volume_reference_ml == pytest.approx(0.12)  # 100 voxels of 0.0012 ml
    assert FULL.volume_prediction_ml == pytest.approx(0.096)


def test_emptiness():
    assert EMPTY.is_reference_empty
    assert not EMPTY.is_prediction_empty


@pytest.mark.parametrize(
    "damage",
    [
        {"voxels_reference": "many"},
        {"voxels_prediction": None},
        {"nsd": [1]},
        {"colour": 3},
        {"lesions": {"dice": [1]}},
        {"lesions": {**LESIONS.to_json(), "dice": [1.0]}},
    ],
)
def test_damaged_json_is_an_error_that_shows_it(damage):
    with pytest.raises(EvaluationError, match=next(iter(damage))):
        MaskFacts.from_json({**FULL.to_json(), **damage})


def test_missing_entries_are_an_error():
    with pytest.raises(EvaluationError, match="voxel_ml"):
        MaskFacts.from_json({key: value for key, value in FULL.to_json().items() if key != "voxel_ml"})


@pytest.mark.parametrize("lesion_wise", [False, True])
@pytest.mark.parametrize("is_empty", [False, True])
def test_without_prediction_are_the_facts_of_an_empty_one(lesion_wise, is_empty):
    truth = np.zeros((12, 12, 12), bool)
    if not is_empty:
        truth[2:6, 2:6, 2:6] = truth[9:11, 9:11, 9:11] = True
    reference = Reference(truth, (1.0, 1.0, 1.0), lesion_wise=lesion_wise)
    found = reference.compare(np.roll(truth, 1, axis=0) | (np.indices(truth.shape)[2] == 0))
    assert found.without_prediction() == reference.compare(np.zeros_like(truth))


def test_a_small_lesion_is_not_scored():
    # scored: the one of 300 mm^3 (Dice 0.5, HD95 2 mm), and the false positive (0 and 374 mm)
    assert LESIONS.is_scored == (True, False)
    assert LESIONS.mean_dice == 0.25
    assert LESIONS.mean_hd95_mm == (2 + 374) / 2


def test_a_lesion_of_exactly_50_mm3_is_small():
    assert LesionFacts((50.0, 50.1), (1.0, 1.0), (0.0, 0.0), 0).is_scored == (False, True)
