"""What the methods give and what they cost in one table: pure functions of results and costs, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from arms import EVERY_ARM
from evidence_statistics import Result, arm_spread, of_arm, paired_by_case, paired_by_repeat, region_means

from nnunetv2_mstkd.regions import Region
from nnunetv2_mstkd.workflow.results_and_costs import COST_COLUMNS, cost_cells

Costs = Mapping[str, Any]  # what benchmarks/method_costs.py writes
NOTES = (
    "Dice in percent over all subsets and test cases, mean ± standard deviation of the repeats; minus {against}: "
    "paired by repeat, and in how many cases it is better.",
    "Parameters: of the network that predicts, and of what only training has beside it. GFLOP: of one tile with all "
    "modalities and with one. Step, tile: seconds over those of nnUNetTrainer, medians of paired rounds. Saved: bytes "
    "kept for the backward pass, over those of nnUNetTrainer.",
)


def comparison(results: Sequence[Result], costs: Costs | None, against: str) -> dict[str, Any]:
    """Return the table's numbers by arm.

    Args:
        results: of the runs.
        costs: of the trainers on the same plan; None if they were not measured.
        against: the arm that the others are compared with.
    """
    return {arm: _of_arm(results, costs, arm, against) for arm in EVERY_ARM if of_arm(results, arm)}


def comparison_table(results: Sequence[Result], costs: Costs | None, against: str) -> str:
    """Return the table as Markdown, a row per arm; arguments as `comparison`."""
    regions = [region for region in region_means(results[0]) if region != "mean"]
    short = [Region(region, ()).short for region in regions]
    head = ["method", "n", *short, "mean", f"minus {against}", "better", *COST_COLUMNS]
    rows = [head, ["---"] * len(head)]
    for arm, found in comparison(results, costs, against).items():
        dice = [_percent(found["dice"][region]) for region in (*regions, "mean")]
        rows.append([arm, str(found["runs"]), *dice, *_difference(found), *cost_cells(found["costs"])])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = "\n".join(NOTES).format(against=against)
    return f"{notes}\n\n{table}{_measured(costs)}"


def _of_arm(results: Sequence[Result], costs: Costs | None, arm: str, against: str) -> dict[str, Any]:
    runs = list(of_arm(results, arm).values())
    by_case = paired_by_case(results, arm, against) if arm != against else []
    paired = paired_by_repeat(results, arm, against) if arm != against else {}
    return {
        "runs": len(runs),
        "trainer": runs[0]["trainer"],
        "dice": {region: asdict(spread) for region, spread in arm_spread(results, arm).items()},
        "minus": asdict(paired["mean"]) if paired else None,
        "better_cases": [sum(difference > 0 for difference in by_case), len(by_case)],
        "costs": (costs or {}).get("methods", {}).get(runs[0]["trainer"]),
    }


def _difference(found: Mapping[str, Any]) -> list[str]:
    if found["minus"] is None:
        return ["", ""]
    better, cases = found["better_cases"]
    return [_percent(found["minus"], sign="+"), f"{better}/{cases}"]


def _measured(costs: Costs | None) -> str:
    if costs is None:
        return ""
    patch = "x".join(map(str, costs["patch"]))
    return f"\n\nCosts: patch {patch}, batch {costs['batch']}, {costs['threads']} threads, float32."


def _percent(spread: Mapping[str, float], sign: str = "") -> str:
    return f"{100 * spread['mean']:{sign}.1f} ± {100 * spread['sd']:.1f}"
