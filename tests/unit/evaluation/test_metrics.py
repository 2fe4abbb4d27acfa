"""Formulas and policies, by hand."""

from math import isnan, nan

import pytest

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.empty_policy import DEFAULT_POLICY, POLICIES, WORST_HD95_MM, find_policy
from nnunetv2_mstkd.evaluation.lesion_facts import LesionFacts
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.metrics import METRICS, is_policy_case, metric_value

#            reference, prediction, both
PAIR = MaskFacts(100, 60, 40, 0.002, 3.0, 5.0, 4.5, 0.8)
BOTH_EMPTY = MaskFacts(0, 0, 0, 0.002, None, None, None, None)
REFERENCE_EMPTY = MaskFacts(0, 60, 0, 0.002, None, None, None, None)
PREDICTION_EMPTY = MaskFacts(100, 0, 0, 0.002, None, None, None, None)

FORMULAS = {
    "dice": 0.5,  # 2 * 40 / (100 + 60)
    "iou": 1 / 3,  # 40 / (100 + 60 - 40)
    "sensitivity": 0.4,  # 40 / 100
    "precision": 2 / 3,  # 40 / 60
    "hd95": 5.0,  # the larger of 3 and 5
    "hd95_pooled": 4.5,
    "nsd": 0.8,
    "volume_difference_ml": -0.08,  # (60 - 100) voxels of 0.002 ml
}


def same(value, expected):
    return isnan(value) if isnan(expected) else value == pytest.approx(expected)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("metric", FORMULAS)
def test_no_policy_touches_a_pair_without_an_empty_mask(metric, policy):
    assert metric_value(PAIR, metric, policy) == pytest.approx(FORMULAS[metric])


# Every cell. Overlap of a single empty mask: Dice, IoU and NSD are 0 of something; sensitivity is 0/0 for an empty
# reference, precision for an empty prediction.
TABLE = {
    #           both empty      reference empty       prediction empty
    #           overlap, mm     sens., prec., mm      sens., prec., mm
    "brats": ((1, 0), (0, 0, 373.13), (0, 0, 373.13)),
    "nan": ((nan, nan), (nan, 0, nan), (0, nan, nan)),
    "released": ((1, 0), (0, 0, 0), (0, 0, 0)),
    "acn": ((1, 0), (0, 0, 1), (0, 0, 1)),
}


def test_the_table_has_every_policy():
    assert set(TABLE) == set(POLICIES)


@pytest.mark.parametrize("policy", TABLE)
def test_every_cell_of_the_policy_table(policy):
    (overlap, distance), *single = TABLE[policy]
    for metric in ("dice", "iou", "sensitivity", "precision", "nsd"):
        assert same(metric_value(BOTH_EMPTY, metric, policy), overlap), metric
    for metric in ("hd95", "hd95_pooled"):
        assert same(metric_value(BOTH_EMPTY, metric, policy), distance), metric
    for facts, (sensitivity, precision, distance) in zip((REFERENCE_EMPTY, PREDICTION_EMPTY), single, strict=True):
        for metric in ("dice", "iou", "nsd"):
            assert metric_value(facts, metric, policy) == 0, metric
        assert same(metric_value(facts, "sensitivity", policy), sensitivity)
        assert same(metric_value(facts, "precision", policy), precision)
        for metric in ("hd95", "hd95_pooled"):
            assert same(metric_value(facts, metric, policy), distance), metric


@pytest.mark.parametrize("policy", POLICIES)
def test_no_policy_touches_a_volume(policy):
    assert metric_value(BOTH_EMPTY, "volume_difference_ml", policy) == 0
    assert metric_value(REFERENCE_EMPTY, "volume_difference_ml", policy) == pytest.approx(0.12)
    assert metric_value(PREDICTION_EMPTY, "volume_difference_ml", policy) == pytest.approx(-0.2)


def test_the_default_is_brats_and_its_distance_the_diagonal_of_brats():
    assert DEFAULT_POLICY == "brats"
    assert metric_value(PREDICTION_EMPTY, "hd95") == WORST_HD95_MM
    assert pytest.approx((240**2 + 240**2 + 155**2) ** 0.5, abs=0.005) == WORST_HD95_MM  # rounded to 0.01 mm


def test_policy_cases_are_those_with_an_empty_mask():
    assert [is_policy_case(f) for f in (PAIR, BOTH_EMPTY, REFERENCE_EMPTY, PREDICTION_EMPTY)] == [False, *[True] * 3]


def lesions(*args):
    return MaskFacts(100, 60, 40, 0.002, 3.0, 5.0, 4.5, 0.8, LesionFacts(*args))


def test_lesion_wise_means_count_misses_and_false_positives():
    facts = lesions((300.0, 200.0), (0.9, 0.0), (4.0, None), 1)
    for policy in POLICIES:  # the definition has its own penalties
        assert metric_value(facts, "lesion_dice", policy) == pytest.approx(0.3)  # (0.9 + 0 + 0) / 3
        assert metric_value(facts, "lesion_hd95", policy) == pytest.approx(752 / 3)  # (4 + 374 + 374) / 3


@pytest.mark.parametrize(("policy", "dice", "hd95"), [("brats", 1, 0), ("nan", nan, nan), ("acn", 1, 0)])
def test_nothing_to_score_and_nothing_found_is_as_two_empty_masks(policy, dice, hd95):
    for facts in (lesions((), (), (), 0), lesions((50.0,), (0.0,), (None,), 0)):
        assert same(metric_value(facts, "lesion_dice", policy), dice)
        assert same(metric_value(facts, "lesion_hd95", policy), hd95)


def test_small_lesions_alone_are_nothing_to_score_though_one_mask_is_empty():
    facts = MaskFacts(50, 0, 0, 0.001, None, None, None, None, LesionFacts((50.0,), (0.0,), (None,), 0))
    assert (metric_value(facts, "lesion_dice"), metric_value(facts, "lesion_hd95")) == (1, 0)
    assert (metric_value(facts, "dice"), metric_value(facts, "hd95")) == (0, WORST_HD95_MM)


def test_lesion_wise_metrics_without_lesions_are_nan():
    for facts in (PAIR, BOTH_EMPTY):
        assert isnan(metric_value(facts, "lesion_dice"))
        assert isnan(metric_value(facts, "lesion_hd95"))


def test_metrics_say_how_they_are_read():
    assert list(METRICS) == [*FORMULAS, "lesion_dice", "lesion_hd95"]
    lower = {name for name, metric in METRICS.items() if metric.higher_is_better is False}
    assert lower == {name for name, metric in METRICS.items() if metric.unit == "mm"}
    assert METRICS["volume_difference_ml"].higher_is_better is None


def test_a_misspelt_name_is_told_the_nearest():
    with pytest.raises(EvaluationError, match=r"'dise'.*Did you mean 'dice'.*hd95_pooled"):
        metric_value(PAIR, "dise")
    with pytest.raises(EvaluationError, match=r"'brat'.*Did you mean 'brats'.*released"):
        metric_value(PAIR, "dice", "brat")


def test_a_policy_of_ones_own_may_be_given():
    harsh = find_policy("brats").__class__("harsh", "", 1.0, 0.0, 0.0, 500.0)
    assert metric_value(PREDICTION_EMPTY, "hd95", harsh) == 500
