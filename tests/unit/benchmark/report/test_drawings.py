"""Boxes, points, bars and ranks."""

import math
import re

import numpy as np
import pytest

from nnunetv2_mstkd.benchmark.report.axis import Axis
from nnunetv2_mstkd.benchmark.report.distribution import Box, by_size, draw_distribution, jitter
from nnunetv2_mstkd.benchmark.report.drawing import element, points
from nnunetv2_mstkd.benchmark.report.importance import draw_importance
from nnunetv2_mstkd.benchmark.report.rank_plot import draw_ranks


def test_a_box_has_quartiles_and_whiskers_without_outliers():
    # 0, 1, 2, 3, 100: quartiles 1, 2, 3; whiskers reach 1.5 * 2 beyond them, so 100 lies outside
    box = Box.of(np.array([0.0, 1, 2, 3, 100]))
    assert box.quartiles == (1, 2, 3)
    assert box.whiskers == (0, 3)


def test_patients_are_averaged_over_subsets_of_one_size():
    values = np.array([[[[0.2, 0.4]], [[0.6, np.nan]], [[0.9, np.nan]]]])  # (1 model, 3 subsets, 1 region, 2 cases)
    found = by_size(values, [1, 1, 2])
    assert found[1][0, 0] == pytest.approx([0.4, 0.4])  # the second case has one of the two subsets
    assert found[2][0, 0, 0] == 0.9
    assert np.isnan(found[2][0, 0, 1])


def test_points_are_spread_evenly_and_always_alike():
    # van der Corput: 1/2, 1/4, 3/4, 1/8, ... as offsets of -1..1
    assert jitter(4) == pytest.approx([0, -0.5, 0.5, -0.75])


@pytest.mark.parametrize("is_distance", [False, True])
def test_all_patients_are_drawn_and_none_is_no_error(is_distance):
    values = {1: np.array([[0.1, 0.2, 0.3, 0.4, np.nan], [np.nan] * 5])}
    svg = str(draw_distribution(values, ["red", "blue"], is_distance=is_distance, label="x"))
    (dots,) = [part for part in svg.split("<path") if "h0" in part]
    assert dots.count("h0") == 4
    assert 'stroke="red"' in svg
    assert 'stroke="blue"' not in svg


def test_the_box_of_distances_is_of_millimetres():
    # 1, 1, 100, 100: quartiles 1 and 100, the median 50.5 mm; of the logarithms it would be 10 mm
    svg = str(draw_distribution({1: np.array([[1.0, 1, 100, 100]])}, ["red"], is_distance=True, label="x"))
    (median,) = [part for part in svg.split("<line") if 'class="median"' in part]
    top, bottom = 10.0, 212.0  # of the drawing; the axis goes from 1 / 1.5 mm to 10^0.03 * 100 mm
    low, high = math.log10(1 / 1.5), 2.03
    expected = bottom + (math.log10(50.5) - low) / (high - low) * (top - bottom)
    assert float(re.search(r'y1="([0-9.]+)"', median).group(1)) == pytest.approx(expected, abs=0.06)


def test_bars_start_at_zero_and_end_at_their_value():
    axis = Axis(-0.2, 0.6, 62, 360, 0.2)
    svg = str(draw_importance({"T1": [0.3, None], "T2": [-0.1, 0.0]}, ["red", "blue"], axis, label="x"))
    # 298 pixels for 0.8: zero lies at 62 + 74.5 = 136.5, a value of 0.3 is 111.75 pixels long
    assert 'x="136.5" y="11" width="111.8"' in svg.replace('width="111.7"', 'width="111.8"')
    assert "\N{MINUS SIGN}0.10" in svg


def test_titles_are_escaped_and_cut():
    row = {"model": "<b>" + "x" * 40, "mean_rank": 1.5, "ci_low": 1.0, "ci_high": 2.0}
    svg = str(draw_ranks([row, {**row, "mean_rank": None}], ["red", "blue"], label="<i>"))
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg
    assert 'aria-label="&lt;i&gt;"' in svg
    assert svg.count("<circle") == 1


def test_attributes_are_escaped():
    assert str(element("text", "a & b", class_='"x', stroke_width=2)) == (
        '<text class="&#34;x" stroke-width="2">a &amp; b</text>'
    )
    assert 'd="M1 2.5h0M3 4h0"' in str(points([1, 3], [2.5, 4]))
