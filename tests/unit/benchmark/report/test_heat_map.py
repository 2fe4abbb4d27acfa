"""The heat map shows what the summary says."""

from dataclasses import replace

import numpy as np
import pytest
from benchmark_records import MSTKD, NNUNET, MadeUpBenchmark, write_benchmark

from nnunetv2_mstkd.benchmark.report.comparison_table import HEADINGS, comparison_rows
from nnunetv2_mstkd.benchmark.report.heat_map import make_heat_map
from nnunetv2_mstkd.benchmark.report.palette import LEVELS
from nnunetv2_mstkd.benchmark.report.score_table import make_score_table
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.summary import summarise
from nnunetv2_mstkd.evaluation.metrics import METRICS
from nnunetv2_mstkd.regions import Region

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
    comparisons += [comparison(subset, "all", 0.02, None) for subset in scored]
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
    """Return a row as of a metric of which more is better; the median is a tenth larger than the mean."""
    ends = {"ci_low": difference - 0.02, "ci_high": difference + 0.02, "median_difference": 1.1 * difference}
    record = {"n": 9, "holm_p": holm, "rank_biserial": 0.8 if difference > 0 else -0.8}
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


def test_lower_is_better_turns_colours_round(made):
    liver = make_heat_map(made, METRICS["hd95"], is_difference=False).groups[1]
    levels = [int(cell.colour[1:]) for cell in liver.rows[0].cells]
    assert LEVELS > levels[0] > levels[1] > levels[2]  # 0.2 mm is better than 0.8 mm


@pytest.fixture(scope="module")
def penalised(tmp_path_factory):
    """Forty patients, of whom the other model misses three altogether and is 4 mm closer in the rest.

    Its mean HD95 is worse, for each of the three has the penalty, and in 37 of 40 patients it is better.
    """
    models = (NNUNET, MSTKD)
    made_up = MadeUpBenchmark(models=models, cases=40, modalities=("CT", "PET"), regions=(Region("liver", (1,)),))
    results = read_results(write_benchmark(tmp_path_factory.mktemp("penalised"), made_up))
    for place in np.ndindex(results.facts.shape):
        model, case = place[0], place[-1]
        mm = 10.0 + case / 10 - 4 * model
        distances = {"hd95_reference_mm": mm, "hd95_prediction_mm": mm, "hd95_pooled_mm": mm, "nsd": 0.9}
        voxels = {"voxels_reference": 100, "voxels_prediction": 100, "voxels_both": 80}
        facts = replace(results.facts[place], **voxels, **distances)
        results.facts[place] = facts.without_prediction() if model == 1 and case < 3 else facts
    return SummaryIndex(summarise(results, ReportOptions()))


def test_marks_follow_the_ranks_and_not_the_penalties(penalised):
    # 37 patients with -4 mm; in the others 373.13 mm less the 10.0, 10.1 and 10.2 mm of the baseline
    mean = (37 * -4 + 3 * 373.13 - 30.3) / 40
    assert penalised.comparison("hd95", "MST-KD", "CT", "liver")["mean_difference"] == pytest.approx(mean)
    for is_difference in (False, True):
        cells = make_heat_map(penalised, METRICS["hd95"], is_difference=is_difference).groups[0].rows[-1].cells
        assert [cell.mark for cell in cells] == ["better"] * 3
    assert [cell.text for cell in cells] == ["\N{MINUS SIGN}4.0"] * 3  # the median
    assert int(cells[0].colour[1:]) > 20  # blue
    _, values, differences = make_score_table(penalised, METRICS["hd95"], "liver").lines
    entry = differences.entries[0]
    assert (entry.main, entry.mark, entry.tone) == ("\N{MINUS SIGN}4.0", "\N{DAGGER}", "better")
    assert entry.details[0] == "mean +23.5"
    assert "3 empty" in values.entries[0].details


def test_the_comparisons_have_all_that_the_test_found(penalised):
    row = comparison_rows(penalised, METRICS["hd95"], "liver")[0]
    found = dict(zip(HEADINGS, row.texts, strict=True))
    assert (found["better"], found["equal"], found["worse"]) == ("37", "0", "3")
    # the ranks of the three are 38, 39, 40 of 820 in all: (820 - 2 * 117) / 820
    assert found["rank-biserial"] == "+0.71"
    assert row.tone == "better"


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


def test_a_mean_over_some_subsets_is_told_or_left_out():
    made = SummaryIndex(summary_of(scored=("CT",)))
    heat_map = make_heat_map(made, METRICS["dice"], is_difference=True)
    overall = heat_map.groups[0].rows[0]
    assert overall.average is None
    assert overall.interval.is_partial
    assert heat_map.has_partial
    assert "over 1 of 3 subsets" in overall.interval.tooltip
    assert not make_heat_map(SummaryIndex(summary_of()), METRICS["dice"], is_difference=True).has_partial


def test_without_a_comparison_there_is_no_difference():
    made = SummaryIndex(summary_of())
    del made._rows["dice", "comparisons"]["new", "CT", "liver"]
    assert made.mean("dice", "new", "CT", "liver") is not None
    assert made.difference("dice", "new", "CT", "liver") is None


def test_no_difference_at_all_still_has_a_scale():
    summary = summary_of()
    for row in summary["metrics"]["dice"]["comparisons"]:
        row.update(mean_difference=0.0, ci_low=0.0, ci_high=0.0)
    heat_map = make_heat_map(SummaryIndex(summary), METRICS["dice"], is_difference=True)
    assert heat_map.bar_ends == ("\N{MINUS SIGN}0.06", "+0.06")  # three steps of 0.02
    assert heat_map.axis.digits <= 3
