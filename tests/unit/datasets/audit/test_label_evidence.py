"""What labels look like, on numbers made by hand."""

import pytest

from nnunetv2_mstkd.datasets.audit.contrast import Contrast
from nnunetv2_mstkd.datasets.audit.label_evidence import swapped_labels
from nnunetv2_mstkd.datasets.layouts.label_set import ED, ET, NCR

SEQUENCES = {0: "T1", 1: "T1ce", 2: "T2", 3: "FLAIR"}


def of_three_cases(labels) -> dict[str, Contrast]:
    return {name: Contrast(labels=labels) for name in "abc"}


@pytest.mark.parametrize(("brighter", "is_told"), [(0.5, True), (0.49, False), (-3.0, False)])
def test_oedema_is_brighter_in_flair_than_necrosis(brighter, is_told):
    # nothing else tells them apart: an exchange turns an order of scale 2 round, and must gain 0.5
    contrasts = of_three_cases({1: {"outside": 0.5, "3": brighter}, 2: {"outside": 0.5, "3": 0.0}})
    findings = swapped_labels(contrasts, {1: NCR, 2: ED}, SEQUENCES)
    assert [("looks like oedema" in finding.message) for finding in findings] == [True] * is_told


def test_values_of_one_meaning_are_not_judged():
    """Two values of necrosis: neither can be told from the other, the rest can."""
    outermost, enclosed = {"outside": 1.0, "1": 0.0}, {"outside": 0.0, "1": 3.0}
    contrasts = of_three_cases({1: enclosed, 2: enclosed, 3: enclosed, 4: outermost})
    (finding,) = swapped_labels(contrasts, {1: NCR, 2: NCR, 3: ED, 4: ET}, SEQUENCES)
    assert "3 should be oedema and looks like enhancing tumour, 4 should be enhancing tumour" in finding.message
    alone = of_three_cases({1: enclosed, 2: outermost, 3: enclosed})  # only one value is left to judge
    assert swapped_labels(alone, {1: NCR, 2: NCR, 3: ED}, SEQUENCES) == []


@pytest.mark.parametrize(("shift", "is_told"), [(0.0, True), (0.01, False)])
def test_a_single_case_is_told_from_a_gain_of_3_on(shift, is_told):
    # ED and ET only. outside: 0.15 the wrong way, half of its scale: an exchange gains 1. Uptake: 1.0, its whole scale:
    # it gains 2
    odd = Contrast(labels={2: {"outside": 0.0, "1": 1.0 - shift}, 3: {"outside": 0.15, "1": 0.0}})
    right = Contrast(labels={2: {"outside": 1.0, "1": 0.0}, 3: {"outside": 0.0, "1": 1.0}})
    findings = swapped_labels({"a": right, "b": right, "c": right, "odd": odd}, {2: ED, 3: ET}, SEQUENCES)
    told = "in 1 of 4 cases (odd) 2 (oedema) looks like enhancing tumour, 3 (enhancing tumour) looks like oedema"
    assert [finding.message.startswith(told) for finding in findings] == [True] * is_told
