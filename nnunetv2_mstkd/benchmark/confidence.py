"""How well a model does with each subset, for those who use it: mstkd_benchmark.json of its folder (L2)."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.facts_array import Scored
from nnunetv2_mstkd.benchmark.json_file import write_json
from nnunetv2_mstkd.benchmark.results import Results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.empty_policy import DEFAULT_POLICY
from nnunetv2_mstkd.evaluation.metrics import metric_value

CONFIDENCE_FILE = "mstkd_benchmark.json"


def write_confidence(results: Results, policy: str = DEFAULT_POLICY) -> list[Path]:
    """Write the file into each model folder of a benchmark that is there, and return the files.

    The values are those of all cases of the model: on validation folds each from the fold that had not seen it, on a
    test set each from all folds together.

    Args:
        results: of the benchmark.
        policy: how empty masks are scored.

    Raises:
        BenchmarkError: if a checkpoint is no longer the one that was scored, or one folder was scored as two models;
            nothing is written then.
        OSError: if a model folder cannot be written.
    """
    by_folder: dict[Path, list[Scored]] = defaultdict(list)
    for scored in results.records:
        by_folder[Path(scored.training.folder)].append(scored)
    there = {folder: scored for folder, scored in by_folder.items() if folder.is_dir()}
    contents = {folder: _content(folder, scored, results, policy) for folder, scored in there.items()}
    for folder, content in contents.items():
        write_json(folder / CONFIDENCE_FILE, content)
    return [folder / CONFIDENCE_FILE for folder in contents]


def _content(folder: Path, scored: Sequence[Scored], results: Results, policy: str) -> dict[str, Any]:
    trainings = list({each.training.place: each.training for each in scored}.values())
    _require_one_model(folder, trainings)
    weights = {fold: digest for training in trainings for fold, digest in training.weights_sha256.items()}
    checkpoint = trainings[0].checkpoint
    _require_same_weights(folder, checkpoint, weights)
    return {
        "dataset": results.benchmark.dataset,
        "protocol": results.benchmark.protocol,
        "policy": policy,
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "checkpoint": checkpoint,
        "folds": list(weights),
        "weights_sha256": weights,
        "subsets": _subsets(scored, results, policy),
    }


def _require_one_model(folder: Path, trainings: Sequence[TrainingFacts]) -> None:
    models = sorted({(training.title, training.checkpoint) for training in trainings})
    if len(models) > 1:
        told = ", ".join(f"{title!r} with {checkpoint}" for title, checkpoint in models)
        raise BenchmarkError(
            f"{folder} was scored as {told}, but its {CONFIDENCE_FILE} can tell of one alone: benchmark that one in an "
            f"output folder of its own, and write the file from there"
        )


def _require_same_weights(folder: Path, checkpoint: str, weights: Mapping[str, str]) -> None:
    for fold, digest in weights.items():
        file = folder / f"fold_{fold}" / checkpoint
        if not file.is_file() or sha256_of(file) != digest:
            raise BenchmarkError(
                f"{file} is not the checkpoint that was scored, so that {CONFIDENCE_FILE} would tell of another model. "
                f"Run mstkd benchmark again: it computes what has changed"
            )


def _subsets(scored: Sequence[Scored], results: Results, policy: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Return an entry by subset, in canonical order, and region."""
    dice: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for each in scored:
        for subset, regions in each.record.scores.items():
            for region, facts in regions.items():
                dice[subset][region].append(metric_value(facts, "dice", policy))
    return {
        subset: {region: entry for region, values in dice[subset].items() if (entry := _entry(values))}
        for subset in results.subsets
        if subset in dice
    }


def _entry(values: list[float]) -> dict[str, Any] | None:
    """Return mean and number of the cases in which Dice is defined; None if it is in none."""
    defined = [value for value in values if not math.isnan(value)]
    return {"mean_dice": round(sum(defined) / len(defined), 4), "cases": len(defined)} if defined else None
