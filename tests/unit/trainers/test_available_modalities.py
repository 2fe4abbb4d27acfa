"""What the cases of a training have, as codes, as lists and in words."""

import numpy as np
import pytest

from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
AVAILABILITY = Availability(FOUR, {"full": FOUR.all, "half": FOUR.subset("T1,T2"), "last": FOUR.subset("FLAIR")})
COMPLETE = Availability(FOUR, {"a": FOUR.all, "b": FOUR.all})
STRANGER = "stranger is in the splits, but not among the preprocessed cases"


@pytest.fixture
def available():
    return AvailableModalities(AVAILABILITY)


def test_bit_c_of_a_code_says_whether_channel_c_is_there(available):
    codes = available.codes(["half", "full", np.str_("last"), "half"])
    assert codes.dtype == np.int64
    assert codes.tolist() == [0b0101, 0b1111, 0b1000, 0b0101]
    assert available.is_complete(codes).tolist() == [False, True, False, False]


def test_codes_of_a_complete_cohort_say_that_nothing_is_lacking():
    available = AvailableModalities(COMPLETE)
    assert available.all_complete
    assert available.codes(["b", "a"]).tolist() == [0b1111, 0b1111]
    assert available.complete_codes(3).tolist() == [0b1111] * 3


def test_a_cohort_with_one_incomplete_case_is_not_complete(available):
    assert not available.all_complete


def test_complete_cases_keep_their_order(available):
    assert available.complete_cases(["last", "full", "half", "full"]) == ["full", "full"]
    assert available.complete_cases([]) == []


def test_the_summary_counts_the_cases_at_hand(available):
    expected = "1 of 2 cases have all modalities (T1 2, T1ce 1, T2 2, FLAIR 1)"
    assert available.summary(["half", "full"]) == expected
    assert available.summary(["last"]) == "0 of 1 cases have all modalities (T1 0, T1ce 0, T2 0, FLAIR 1)"


@pytest.mark.parametrize("ask", ["complete_cases", "summary"])
def test_a_case_of_the_splits_that_is_not_preprocessed_is_named(available, ask):
    with pytest.raises(CaseError, match=f"^{STRANGER}"):
        getattr(available, ask)(["full", "stranger"])
