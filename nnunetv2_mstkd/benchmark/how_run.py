"""How a benchmark was run: what a reader needs to run it again (L2)."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from nnunetv2_mstkd.benchmark.results import Results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts

STATISTICS = ("nnunetv2_mstkd", "numpy", "scipy")  # packages that make a summary of the records


def how_run(results: Results) -> dict[str, Any]:
    """Return the trainings with their hashes, versions and hardware, and when and how long they were scored."""
    times = sorted(each.record.finished for each in results.records)
    return {
        "trainings": [_training(training) for model in results.models for training in model.trainings],
        "runs": _runs(results),
        "first_finished": times[0],
        "last_finished": times[-1],
        "seconds": _seconds(results),
        "versions_of_summary": {"python": platform.python_version(), **{name: version(name) for name in STATISTICS}},
    }


def _runs(results: Results) -> list[dict[str, Any]]:
    """Return each device with engine, versions and hardware that cases were predicted with, the first one first."""
    runs: list[dict[str, Any]] = []
    for each in sorted(results.records, key=lambda each: each.record.finished):
        if each.record.run and dict(each.record.run) not in runs:
            runs.append(dict(each.record.run))
    return runs


def _training(training: TrainingFacts) -> dict[str, Any]:
    """Return all facts, but of the cases only their number: records.csv has the names."""
    facts = asdict(training)
    return {**facts, "folds": list(training.folds), "cases": len(training.cases)}


def _seconds(results: Results) -> dict[str, float]:
    """Return how long each step took, over all cases and trainings."""
    total: dict[str, float] = {}
    for each in results.records:
        for step, seconds in each.record.seconds.items():
            total[step] = total.get(step, 0.0) + seconds
    return {step: round(seconds, 2) for step, seconds in total.items()}
