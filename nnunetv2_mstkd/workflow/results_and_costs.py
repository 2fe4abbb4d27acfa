"""`python -m nnunetv2_mstkd.workflow.results_and_costs SUMMARY COSTS TABLE`: what methods give and what they cost (L0).

SUMMARY is the summary.json of a report, COSTS what benchmarks/method_costs.py of the source code writes as JSON.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.modalities import RESERVED_NAME
from nnunetv2_mstkd.whole_file import whole_file

NOTES = (
    "Dice in percent: the mean over the subsets of the means over the patients. Parameters: of the network that "
    "predicts, and of what only training has beside it. GFLOP: of one tile with all modalities, and with the first "
    "alone. Step, tile: seconds over those of nnU-Net's own trainer, medians of paired rounds. Saved: bytes kept for "
    "the backward pass, likewise."
)
COST_COLUMNS = (
    "parameters (M)", "training only (M)", "GFLOP", "one modality", "step", "saved", "tile", "one modality"
)  # fmt: skip


def results_and_costs(summary: Mapping[str, Any], costs: Mapping[str, Any], plans: str | None = None) -> str:
    """Return the table as Markdown: a row for each model of the report, in the order of the costs.

    Args:
        summary: of the report.
        costs: of the trainers, on one plan.
        plans: name of those that they were measured on: models of others have no costs. None: of all models.
    """
    regions = [*((region["name"], region["short"]) for region in summary["regions"]), (RESERVED_NAME, "mean")]
    dice = {(row["model"], row["region"]): row["mean"] for row in summary["metrics"]["dice"]["averages"]}
    rows: list[Sequence[str]] = [("method", *(short for _, short in regions), *COST_COLUMNS)]
    rows.append(["---"] * len(rows[0]))
    order = {trainer: place for place, trainer in enumerate(costs["methods"])}
    # the report has its models in the order in which they were scored, which is by chance
    for model in sorted(summary["models"], key=lambda model: order.get(model["trainer"], len(order))):
        cost = costs["methods"].get(model["trainer"]) if plans in (None, model["plans"]) else None
        means = [_percent(dice.get((model["title"], region))) for region, _ in regions]
        rows.append((model["title"].replace("|", r"\|"), *means, *cost_cells(cost)))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    patch = "x".join(map(str, costs["patch"]))
    measured = f"Costs: patch {patch}, batch {costs['batch']}, {costs['threads']} threads of a CPU, float32."
    return f"{NOTES}\n\n{table}\n\n{measured}\n"


def cost_cells(cost: Mapping[str, Any] | None) -> list[str]:
    """Return the texts of COST_COLUMNS; of a method that was not measured empty ones."""
    if cost is None:
        return [""] * len(COST_COLUMNS)
    return [
        f"{cost['parameters'] / 1e6:.2f}",
        f"{cost['training_only_parameters'] / 1e6:.2f}",
        f"{cost['flops'] / 1e9:.2f}",
        f"{cost['flops_one'] / 1e9:.2f}",
        f"{cost['step']['median']:.2f}",
        f"{cost['saved_ratio']:.2f}",
        f"{cost['tile']['median']:.2f}",
        f"{cost['tile_one']['median']:.2f}",
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.workflow.results_and_costs", description=__doc__)
    parser.add_argument("summary", type=Path, help="summary.json of the report")
    parser.add_argument("costs", type=Path, help="costs.json")
    parser.add_argument("table", type=Path, help="Markdown file to write")
    parser.add_argument("--plans", help="name of the plans that the costs are of")
    args = parser.parse_args(argv)
    summary, costs = (json.loads(file.read_text(encoding="utf-8")) for file in (args.summary, args.costs))
    with whole_file(args.table) as temporary:
        temporary.write_text(results_and_costs(summary, costs, args.plans), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
