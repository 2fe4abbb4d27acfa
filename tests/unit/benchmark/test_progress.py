"""How long the rest of a benchmark takes."""

import pytest

from nnunetv2_mstkd.benchmark.progress import Estimate, duration


def test_each_model_is_expected_to_go_on_as_before():
    estimate = Estimate({"fast": 20, "slow": 20})
    estimate.add("fast", 10, 10.0)  # 1 s each
    estimate.add("slow", 10, 110.0)  # 11 s each
    assert estimate.text() == "about 2 min left"  # 10 * 1 s + 10 * 11 s = 120 s


def test_models_without_a_case_are_expected_to_be_average():
    estimate = Estimate({"first": 20, "second": 30})
    estimate.add("first", 10, 20.0)
    assert estimate.text() == "about 1 min left"  # (10 + 30) * 2 s = 80 s


def test_what_is_skipped_takes_no_time():
    estimate = Estimate({"model": 30})
    estimate.add("model", 10, 10.0)
    estimate.skip("model", 5)
    assert estimate.text() == "about 15 s left"


def test_nothing_is_said_at_first_and_at_the_end():
    estimate = Estimate({"model": 10})
    assert estimate.text() == ""
    estimate.add("model", 10, 10.0)
    assert estimate.text() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (60, "1 min"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations_have_one_unit(seconds, text):
    assert duration(seconds) == text
