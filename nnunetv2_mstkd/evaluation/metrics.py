"""The metrics, each a formula over the facts of a pair of masks (L1')."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from typing import Literal

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.empty_policy import DEFAULT_POLICY, NAN, EmptyPolicy, find_policy
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts


@dataclass(frozen=True)
class Metric:
    """What a metric is called, how it is read and how it is computed.

    Args:
        name: in records and on the command line.
        title: in tables and figures.
        kind: what a policy for empty masks puts in its place; it never touches a volume.
        measure: the formula; NaN where it is undefined.
        unit: "" for shares.
        higher_is_better: None if neither is: a signed difference is best at 0.
        is_lesion_wise: whether it needs the facts of single lesions.
    """

    name: str
    title: str
    kind: Literal["overlap", "distance", "volume"]
    measure: Callable[[MaskFacts], float] = field(repr=False)
    unit: str = ""
    higher_is_better: bool | None = True
    is_lesion_wise: bool = False


def _share(part: float, whole: float) -> float:
    return part / whole if whole else NAN


def _dice(facts: MaskFacts) -> float:
    return _share(2 * facts.voxels_both, facts.voxels_reference + facts.voxels_prediction)


def _iou(facts: MaskFacts) -> float:
    return _share(facts.voxels_both, facts.voxels_reference + facts.voxels_prediction - facts.voxels_both)


def _sensitivity(facts: MaskFacts) -> float:
    return _share(facts.voxels_both, facts.voxels_reference)


def _precision(facts: MaskFacts) -> float:
    return _share(facts.voxels_both, facts.voxels_prediction)


def _hd95(facts: MaskFacts) -> float:
    if facts.hd95_reference_mm is None or facts.hd95_prediction_mm is None:
        return NAN
    return max(facts.hd95_reference_mm, facts.hd95_prediction_mm)


def _hd95_pooled(facts: MaskFacts) -> float:
    return NAN if facts.hd95_pooled_mm is None else facts.hd95_pooled_mm


def _nsd(facts: MaskFacts) -> float:
    if facts.nsd is not None:
        return facts.nsd
    # a surface that has no counterpart lies within no tolerance of it: 0 of its voxels
    return NAN if facts.is_reference_empty and facts.is_prediction_empty else 0.0


def _volume_difference_ml(facts: MaskFacts) -> float:
    return facts.volume_prediction_ml - facts.volume_reference_ml


def _lesion_dice(facts: MaskFacts) -> float:
    return NAN if facts.lesions is None else facts.lesions.mean_dice


def _lesion_hd95(facts: MaskFacts) -> float:
    return NAN if facts.lesions is None else facts.lesions.mean_hd95_mm


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("dice", "Dice", "overlap", _dice),
        Metric("iou", "IoU", "overlap", _iou),
        Metric("sensitivity", "Sensitivity", "overlap", _sensitivity),
        Metric("precision", "Precision", "overlap", _precision),
        Metric("hd95", "HD95", "distance", _hd95, "mm", higher_is_better=False),
        Metric("hd95_pooled", "HD95 (pooled)", "distance", _hd95_pooled, "mm", higher_is_better=False),
        Metric("nsd", "NSD", "overlap", _nsd),
        Metric(
            "volume_difference_ml", "Volume difference", "volume", _volume_difference_ml, "ml", higher_is_better=None
        ),
        Metric("lesion_dice", "Lesion-wise Dice", "overlap", _lesion_dice, is_lesion_wise=True),
        Metric(
            "lesion_hd95",
            "Lesion-wise HD95",
            "distance",
            _lesion_hd95,
            "mm",
            higher_is_better=False,
            is_lesion_wise=True,
        ),
    )
}


def metric_value(facts: MaskFacts, metric: str, policy: EmptyPolicy | str = DEFAULT_POLICY) -> float:
    """Return a metric of one pair of masks.

    Args:
        facts: what was measured of the pair.
        metric: one of `METRICS`.
        policy: one of `POLICIES`, what an empty mask counts.

    Returns:
        The value; NaN where it is undefined and the policy leaves it so, and for a lesion-wise metric where lesions
        were not measured.

    Raises:
        EvaluationError: if there is no such metric or policy; the message lists them.

    Example:
        >>> nothing_found = MaskFacts(500, 0, 0, 0.001, None, None, None, None)
        >>> metric_value(nothing_found, "dice"), metric_value(nothing_found, "hd95")
        (0.0, 373.13)
    """
    rule = find_policy(policy)
    asked = find_metric(metric)
    value = asked.measure(facts)
    if not isnan(value) or asked.kind == "volume" or (asked.is_lesion_wise and facts.lesions is None):
        return value
    # Lesion-wise means are 0/0 only if nothing is to be scored and nothing was found, as with two empty masks: small
    # lesions count for nothing, and all else has the definition's own penalties.
    is_one = not asked.is_lesion_wise and facts.is_reference_empty != facts.is_prediction_empty
    if asked.kind == "overlap":
        return rule.overlap_one if is_one else rule.overlap_both
    return rule.distance_one if is_one else rule.distance_both


def is_policy_case(facts: MaskFacts) -> bool:
    """Return whether a mask is empty, so that the policy decides on the value of some metric."""
    return facts.is_reference_empty or facts.is_prediction_empty


def find_metric(name: str) -> Metric:
    """Return the metric of a name.

    Raises:
        EvaluationError: if there is none; the message lists them.
    """
    if name in METRICS:
        return METRICS[name]
    close = difflib.get_close_matches(name, METRICS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise EvaluationError(f"Unknown metric: {name!r}.{hint} There are: {', '.join(METRICS)}")
