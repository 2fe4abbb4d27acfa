"""The summary of a benchmark: every number of the report (L2)."""

from collections import Counter
from typing import Any

from nnunetv2_mstkd.benchmark.baseline import choose_baseline, scored_subsets
from nnunetv2_mstkd.benchmark.cells import averages, cells
from nnunetv2_mstkd.benchmark.comparisons import comparisons, is_single
from nnunetv2_mstkd.benchmark.contributions import contributions
from nnunetv2_mstkd.benchmark.emptiness import Emptiness, empties
from nnunetv2_mstkd.benchmark.headline import headline
from nnunetv2_mstkd.benchmark.how_run import how_run
from nnunetv2_mstkd.benchmark.ranking import ranks
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import ModelFacts, Results, nanmean
from nnunetv2_mstkd.benchmark.small_sample import small_sample
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.evaluation.bootstrap import CONFIDENCE, RESAMPLES, SEED
from nnunetv2_mstkd.evaluation.empty_policy import find_policy
from nnunetv2_mstkd.evaluation.metrics import METRICS
from nnunetv2_mstkd.evaluation.wilcoxon import EXACT_UP_TO

FORMAT = 1
ALPHA = 0.05
HD95 = {"max": "hd95", "pooled": "hd95_pooled"}  # option -> metric


def summarise(results: Results, options: ReportOptions) -> dict[str, Any]:
    """Return the summary of a benchmark; docs/reference/summary.md has its schema. It can be written as JSON.

    Args:
        results: of the benchmark.
        options: baseline, policy for empty masks, kind of HD95.

    Raises:
        BenchmarkError: if there is no such baseline or kind of HD95.
        EvaluationError: if there is no such policy.
    """
    policy, baseline = find_policy(options.policy).name, choose_baseline(results, options.baseline)
    emptiness = Emptiness.of(results)
    metrics = {name: _metric(results, name, policy, baseline, emptiness) for name in metric_names(results, options)}
    summary = {
        "format": FORMAT,
        "dataset": results.benchmark.dataset,
        "protocol": results.benchmark.protocol,
        "policy": policy,
        "hd95": options.hd95,
        "tolerance_mm": results.benchmark.tolerance_mm,
        "num_cases": len(results.cases),
        "repeats": len(results.repeats),
        "modalities": list(results.modalities),
        "subsets": list(results.subsets),
        "regions": [{"name": r.name, "short": r.short, "labels": list(r.labels)} for r in results.regions],
        "baseline": baseline,
        "models": [_model(results, model) for model in results.models],
        "metrics": metrics,
        "empties": empties(results, emptiness),
        "small_sample": small_sample(metrics, ALPHA),
        "tests": _tests(_family(metrics["dice"]["comparisons"])),
        "how_run": how_run(results),
    }
    return {**summary, "headline": headline(results, summary)}


def metric_names(results: Results, options: ReportOptions) -> list[str]:
    """Return the metrics of a summary, in order: one kind of HD95, and of the others all that have a better end.

    Raises:
        BenchmarkError: if there is no such kind of HD95.
    """
    if options.hd95 not in HD95:
        raise BenchmarkError(f"HD95 is {' or '.join(map(repr, HD95))}, not {options.hd95!r}")
    left_out = set(HD95.values()) - {HD95[options.hd95]}
    return [
        metric.name
        for metric in METRICS.values()
        if metric.name not in left_out
        and metric.higher_is_better is not None
        and (results.benchmark.lesion_wise or not metric.is_lesion_wise)
    ]


def _metric(results: Results, name: str, policy: str, baseline: str, emptiness: Emptiness) -> dict[str, Any]:
    by_repeat = results.values_by_repeat(name, policy)
    values = nanmean(by_repeat, axis=1)
    higher_is_better = bool(METRICS[name].higher_is_better)
    return {
        "cells": cells(results, values, emptiness),
        "averages": averages(results, by_repeat),
        "comparisons": comparisons(results, values, baseline, higher_is_better=higher_is_better),
        "ranks": ranks(results, values, higher_is_better=higher_is_better),
        "shapley": contributions(results, values, name, policy),
    }


def _model(results: Results, model: ModelFacts) -> dict[str, Any]:
    """Return the facts of a row; of several trainings those of the first, `how_run` has all of them."""
    first = model.trainings[0]
    return {
        "title": model.title,
        "trainer": first.trainer,
        "plans": first.plans,
        "configuration": first.configuration,
        "parameters": first.parameters,
        "dedicated": model.is_dedicated,
        "trained_for_missing": model.trained_for_missing,
        "scored_subsets": scored_subsets(results, model),
    }


def _family(rows: list[dict[str, Any]]) -> int:
    """Return how many comparisons the largest family has."""
    return max(Counter(row["model"] for row in rows if is_single(row)).values(), default=0)


def _tests(family: int) -> dict[str, Any]:
    return {
        "family": family,
        "method": (
            "Unit: the patient, with the mean over the repeats; out-of-fold predictions of all folds together. "
            "Wilcoxon signed-rank test, two-sided, zeros ranked and dropped (Pratt), "
            f"exact up to {EXACT_UP_TO} pairs with a difference, else the normal approximation; Holm's correction over "
            "the subsets and regions of each metric and model, means over them not included; in the headline over the "
            "models, for the best of them is chosen. BCa bootstrap intervals of means, patients resampled."
        ),
        "alpha": ALPHA,
        "confidence": CONFIDENCE,
        "seed": SEED,
        "resamples": RESAMPLES,
    }
