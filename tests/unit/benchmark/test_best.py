"""Which values are the best."""

import pytest

from nnunetv2_mstkd.benchmark.best import best_of


def test_the_shown_digits_decide():
    values = {"a": 0.8214, "b": 0.8206, "c": 0.8199}
    assert best_of(values, higher_is_better=True, digits=4) == {"a"}
    assert best_of(values, higher_is_better=True, digits=3) == {"a", "b"}
    assert best_of(values, higher_is_better=True, digits=2) == {"a", "b", "c"}
    assert best_of(values, higher_is_better=False, digits=3) == {"c"}


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_has_no_value_is_not_compared(value):
    assert best_of({"a": 1.0, "b": value, "c": 2.0}, higher_is_better=True, digits=1) == {"c"}
    assert best_of({"a": 1.0, "b": value}, higher_is_better=True, digits=1) == set()
