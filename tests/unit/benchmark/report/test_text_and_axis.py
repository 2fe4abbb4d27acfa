"""Numbers, axes and the dot matrix."""

import pytest

from nnunetv2_mstkd.benchmark.report.axis import Axis, tick_step
from nnunetv2_mstkd.benchmark.report.columns import make_columns
from nnunetv2_mstkd.benchmark.report.number_text import shown, shown_count, shown_p, typeset
from nnunetv2_mstkd.modalities import Modalities


@pytest.mark.parametrize(
    ("value", "digits", "signed", "text"),
    [
        (0.8349, 2, False, "0.83"),
        (-0.05, 2, False, "\N{MINUS SIGN}0.05"),
        (0.05, 1, True, "+0.1"),
        (-0.001, 2, True, "0.00"),  # no sign where the digits show none
        (None, 2, False, "\N{EN DASH}"),
        (float("nan"), 2, True, "\N{EN DASH}"),
    ],
)
def test_numbers(value, digits, signed, text):
    assert shown(value, digits, signed=signed) == text


def test_only_minus_signs_of_numbers_are_set():
    text = "MST-KD, 5-fold: -0.012 to +0.030, after 2026-01-01 (-1.5)"
    assert typeset(text) == "MST-KD, 5-fold: \N{MINUS SIGN}0.012 to +0.030, after 2026-01-01 (-1.5)"


def test_p_values_and_counts():
    assert [shown_p(p) for p in (0.0004, 0.0312, 0.5, None)] == ["< 0.001", "0.031", "0.50", "\N{EN DASH}"]
    assert (shown_count(1, "patient"), shown_count(2, "patient")) == ("1 patient", "2 patients")


@pytest.mark.parametrize(("span", "count", "step"), [(1.0, 4, 0.5), (0.09, 4, 0.05), (250, 6, 50), (0.3, 3, 0.1)])
def test_ticks_are_round(span, count, step):
    assert tick_step(span, count) == pytest.approx(step)


def test_an_axis_ends_on_ticks_and_maps_linearly():
    axis = Axis.around(-0.03, 0.12, 0, 100, count=3)  # ticks of 0.05: -0.05, 0, 0.05, 0.1, 0.15
    assert axis.ticks() == pytest.approx([-0.05, 0, 0.05, 0.1, 0.15])
    assert [axis.at(v) for v in (-0.05, 0.05, 0.15, 9)] == [0, 50, 100, 100]
    assert axis.digits == 2


def test_an_axis_of_one_value_has_a_length():
    axis = Axis.around(0.0, 0.0, 0, 1)
    assert axis.high > 0
    assert axis.digits <= 3  # not the nine of a span of nothing


@pytest.mark.parametrize(("count", "columns"), [(2, 3), (4, 15), (5, 31)])
def test_there_is_a_column_for_every_subset(count, columns):
    names = tuple("ABCDE"[:count])
    made = make_columns(names, [str(s) for s in Modalities(names).subsets()])
    assert len(made) == columns
    assert [c.size for c in made if c.is_first_of_size] == list(range(1, count + 1))


def test_filled_dots_are_joined_over_the_hollow_ones_between():
    (column,) = make_columns(("T1", "T1ce", "T2", "FLAIR"), ["T1ce+FLAIR"])
    assert [d.is_present for d in column.dots] == [False, True, False, True]
    assert [d.joins_below for d in column.dots] == [False, True, True, False]
    assert [d.joins_above for d in column.dots] == [False, False, True, True]
