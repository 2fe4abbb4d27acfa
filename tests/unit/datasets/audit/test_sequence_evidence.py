"""What channels look like, on numbers made by hand."""

import pytest

from nnunetv2_mstkd.datasets.audit.contrast import Contrast
from nnunetv2_mstkd.datasets.audit.sequence_evidence import judge_sequences, known_channels
from nnunetv2_mstkd.modalities import Modalities


@pytest.mark.parametrize(("uptake_of_t1", "is_told"), [(1.0, True), (0.99, False)])
def test_a_single_case_is_told_from_a_gain_of_2_on(uptake_of_t1, is_told):
    # the one order between T1 and T1ce has the scale 1: turned round it gains 2
    right = Contrast({0: {"uptake": 0.0}, 1: {"uptake": 1.0}})
    odd = Contrast({0: {"uptake": uptake_of_t1}, 1: {"uptake": 0.0}})
    evidence = judge_sequences({"a": right, "b": right, "c": right, "odd": odd}, Modalities(("T1", "T1ce")))
    assert evidence.likely == {0: "T1", 1: "T1ce"}
    assert evidence.odd_cases == frozenset({"odd"} if is_told else ())
    assert len(evidence.findings) == is_told


def test_a_sequence_that_two_channels_have_is_not_judged():
    assert known_channels(Modalities(("T1", "t1n", "T2", "t2f"))) == {2: "T2", 3: "FLAIR"}
