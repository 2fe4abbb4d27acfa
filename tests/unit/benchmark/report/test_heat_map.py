"""The heat map shows what the summary says."""

import pytest

from nnunetv2_mstkd.benchmark.report.heat_map import make_heat_map
from nnunetv2_mstkd.benchmark.report.palette import LEVELS
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex, best_of
from nnunetv2_mstkd.evaluation.metrics import METRICS

MODELS = ("base", "new")
SUBSETS = ("CT", "PET", "CT+PET")
# means by model and subset in the two regions, and the corrected p of the new model's difference
MEANS = {"base": ((0.20, 0.40), (0.50, 0.60), (0.80, 0.90)), "new": ((0.30, 0.40), (0.40, 0.60), (0.82, 0.98))}
HOLM = (0.01, 0.04, 0.6)


def summary_of(*, scored: tuple[str, ...] = SUBSETS) -> dict:
    cells, comparisons = [], []
    for model in MODELS:
        for s, subset in enumerate(SUBSETS):
            for r, region in enumerate(("liver", "tumour")):
                if model == "new" and subset not in scored:
                    continue
                mean = MEANS[model][s][r]
                quartiles = {"median": mean, "q1": mean, "q3": mean}
                cells.append(
                    {"model": model, "subset": subset, "region": region, "n": 9, "mean": mean, "sd": 0.1, **quartiles}
                )
                if model == "new":
                    comparisons.append(comparison(subset, region, mean - MEANS["base"][s][r], HOLM[s]))
    comparisons.append(comparison("all", "all", 0.03, None))
    averages = [
        {"model": m, "region": r, "mean": 0.5, "sd_over_repeats": None}
        for m in MODELS
        for r in ("liver", "tumour", "all")
    ]
    return {
        "models": [{"title": title} for title in MODELS],
        "subsets": list(SUBSETS),
        "regions": [{"name": "liver", "short": "liver"}, {"name": "tumour", "short": "tumour"}],
        "baseline": "base",
        "tests": {"alpha": 0.05},
        "metrics": {
            name: {"cells": cells, "averages": averages, "comparisons": comparisons, "ranks": [], "shapley": []}
            for name in ("dice", "hd95")
        },
    }


def comparison(subset: str, region: str, difference: float, holm: float | None) -> dict:
    ends = {"ci_low": difference - 0.02, "ci_high": difference + 0.02}
    record = {"n": 9, "wins": 6, "ties": 1, "losses": 2, "holm_p": holm}
    return {"model": "new", "subset": subset, "region": region, "mean_difference": difference, **ends, **record}


@pytest.fixture
def made():
    return SummaryIndex(summary_of())


def test_values_are_those_of_the_summary(made):
    mean, liver, tumour = make_heat_map(made, METRICS["dice"], is_difference=False).groups
    assert [group.short for group in (mean, liver, tumour)] == ["Mean", "liver", "tumour"]
    assert [[cell.text for cell in row.cells] for row in liver.rows] == [
        ["0.20", "0.50", "0.80"],
        ["0.30", "0.40", "0.82"],
    ]
    # the mean over the two regions, by hand: (0.2 + 0.4) / 2, ...; (0.82 + 0.98) / 2
    assert [[cell.text for cell in row.cells] for row in mean.rows] == [
        ["0.30", "0.55", "0.85"],
        ["0.35", "0.50", "0.90"],
    ]
    assert [row.average.text for row in liver.rows] == ["0.50", "0.50"]


def test_every_value_of_a_real_summary_is_there(index, content):
    groups = make_heat_map(index, METRICS["hd95"], is_difference=False).groups
    of_region = {group.name: group for group in groups}
    for cell in content.summary["metrics"]["hd95"]["cells"]:
        row = of_region[cell["region"]].rows[index.models.index(cell["model"])]
        shown = row.cells[index.subsets.index(cell["subset"])]
        assert shown.text == f"{cell['mean']:.1f}"
        assert f"n = {cell['n']}" in shown.tooltip


def test_differences_leave_the_baseline_out_and_bear_signs(made):
    _, liver, tumour = make_heat_map(made, METRICS["dice"], is_difference=True).groups
    assert [row.model for row in liver.rows] == ["new"]
    assert [cell.text for cell in liver.rows[0].cells] == ["+0.10", "\N{MINUS SIGN}0.10", "+0.02"]
    assert [cell.text for cell in tumour.rows[0].cells] == ["0.00", "0.00", "+0.08"]
    blue, orange = (int(cell.colour[1:]) for cell in liver.rows[0].cells[:2])
    assert blue - 20 == 20 - orange > 0  # equal differences, equally far from the middle


def test_marks_say_which_way_and_only_after_holm(made):
    liver = make_heat_map(made, METRICS["dice"], is_difference=False).groups[1]
    assert [cell.mark for cell in liver.rows[1].cells] == ["better", "worse", ""]
    assert [cell.mark for cell in liver.rows[0].cells] == ["", "", ""]


def test_lower_is_better_turns_colours_and_marks_round(made):
    liver = make_heat_map(made, METRICS["hd95"], is_difference=False).groups[1]
    assert [cell.mark for cell in liver.rows[1].cells] == ["worse", "better", ""]
    levels = [int(cell.colour[1:]) for cell in liver.rows[0].cells]
    assert LEVELS > levels[0] > levels[1] > levels[2]  # 0.2 mm is better than 0.8 mm


def test_the_interval_is_that_of_the_mean_over_all_subsets(made):
    heat_map = make_heat_map(made, METRICS["dice"], is_difference=False)
    base, new = heat_map.groups[0].rows
    assert base.interval is None
    axis = heat_map.axis
    assert (new.interval.low, new.interval.mean, new.interval.high) == (axis.at(0.01), axis.at(0.03), axis.at(0.05))
    assert "95 % interval +0.010 to +0.050" in new.interval.tooltip


def test_what_was_not_scored_stays_empty():
    made = SummaryIndex(summary_of(scored=("CT",)))
    for group in make_heat_map(made, METRICS["dice"], is_difference=False).groups:
        assert [cell is None for cell in group.rows[1].cells] == [False, True, True]


def test_the_best_are_equal_as_far_as_is_shown():
    values = {"a": 0.8214, "b": 0.8211, "c": 0.79, "d": None}
    assert best_of(values, higher_is_better=True, digits=3) == {"a", "b"}
    assert best_of(values, higher_is_better=False, digits=3) == {"c"}
    assert best_of({"a": 0.5, "d": None}, higher_is_better=True, digits=3) == set()
