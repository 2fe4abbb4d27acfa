"""How well a model does with each subset, for those who use it: mstkd_benchmark.json of its folder (L2)."""

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.json_file import write_json
from nnunetv2_mstkd.benchmark.results import Results
from nnunetv2_mstkd.evaluation.empty_policy import DEFAULT_POLICY
from nnunetv2_mstkd.evaluation.metrics import metric_value

CONFIDENCE_FILE = "mstkd_benchmark.json"  # `inference.model_folder` reads it

Dice = dict[str, dict[str, list[float]]]  # by subset and region, a value for each case


def write_confidence(results: Results, policy: str = DEFAULT_POLICY) -> list[Path]:
    """Write the file into each model folder of a benchmark, and return the files.

    The values are those of all folds together: each case from the fold that had not seen it.

    Args:
        results: of the benchmark.
        policy: how empty masks are scored.

    Raises:
        OSError: if a model folder cannot be written.
    """
    dice: dict[Path, Dice] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for scored in results.records:
        for subset, regions in scored.record.scores.items():
            for region, facts in regions.items():
                dice[Path(scored.training.folder)][subset][region].append(metric_value(facts, "dice", policy))
    about = {
        "dataset": results.benchmark.dataset,
        "protocol": results.benchmark.protocol,
        "policy": policy,
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    written = []
    for folder, of_folder in dice.items():
        if folder.is_dir():
            write_json(folder / CONFIDENCE_FILE, {**about, "subsets": _subsets(of_folder, results)})
            written.append(folder / CONFIDENCE_FILE)
    return written


def _subsets(dice: Dice, results: Results) -> dict[str, dict[str, Mapping[str, Any]]]:
    return {
        subset: {region: entry for region, values in dice[subset].items() if (entry := _entry(values))}
        for subset in results.subsets
        if subset in dice
    }


def _entry(values: list[float]) -> dict[str, Any] | None:
    """Return mean and number of the cases in which Dice is defined; None if it is in none."""
    defined = [value for value in values if not math.isnan(value)]
    return {"mean_dice": round(sum(defined) / len(defined), 4), "cases": len(defined)} if defined else None
