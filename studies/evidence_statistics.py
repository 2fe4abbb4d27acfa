"""Statistics of the study's results: pure functions of lists of results, without torch."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Result = Mapping[str, Any]
GRADIENT = "gradient_"  # prefix of the record's columns


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) of repeats; NaN where they are too few."""

    mean: float
    sd: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Summarise values."""
        listed = list(values)
        mean = statistics.fmean(listed) if listed else float("nan")
        return cls(mean, statistics.stdev(listed) if len(listed) > 1 else float("nan"), len(listed))


def of_arm(results: Sequence[Result], arm: str) -> dict[int, Result]:
    """Return an arm's results by repeat."""
    return {result["repeat"]: result for result in results if result["arm"] == arm}


def region_means(
    result: Result, subsets: Iterable[str] | None = None, *, present_only: bool = False
) -> dict[str, float]:
    """Return the mean Dice over subsets and cases of each region, and of the regions ("mean").

    Args:
        result: of a run.
        subsets: None = all that were scored.
        present_only: leave out the cases whose reference lacks the region: there a model that finds nothing scores 1.
    """
    chosen = list(result["dice"]) if subsets is None else list(subsets)
    regions = list(result["dice"][chosen[0]])
    means = {
        region: Spread.of(
            value
            for subset in chosen
            for case, value in result["dice"][subset][region].items()
            if not (present_only and case in result["absent"].get(region, ()))
        ).mean
        for region in regions
    }
    return {**means, "mean": statistics.fmean(means.values())}


def arm_spread(
    results: Sequence[Result], arm: str, subsets: Sequence[str] | None = None, *, present_only: bool = False
) -> dict[str, Spread]:
    """Return mean and spread over the repeats of an arm's region means; arguments as there."""
    means = [region_means(result, subsets, present_only=present_only) for result in of_arm(results, arm).values()]
    return {region: Spread.of(mean[region] for mean in means) for region in (means[0] if means else ())}


def paired_by_repeat(results: Sequence[Result], arm: str, other: str) -> dict[str, Spread]:
    """Return arm minus other, over the subsets that both were scored on, repeat by repeat: same seed, same batches."""
    ours, theirs = of_arm(results, arm), of_arm(results, other)
    differences = []
    for repeat in ours.keys() & theirs.keys():
        shared = [subset for subset in ours[repeat]["dice"] if subset in theirs[repeat]["dice"]]
        mine, yours = region_means(ours[repeat], shared), region_means(theirs[repeat], shared)
        differences.append({region: mine[region] - yours[region] for region in mine})
    return {region: Spread.of(d[region] for d in differences) for region in (differences[0] if differences else ())}


def paired_by_case(results: Sequence[Result], arm: str, other: str) -> list[float]:
    """Return arm minus other for each case: means over the regions, the shared subsets and the shared repeats."""
    ours, theirs = of_arm(results, arm), of_arm(results, other)
    differences: dict[str, list[float]] = {}
    for repeat in ours.keys() & theirs.keys():
        for subset in ours[repeat]["dice"].keys() & theirs[repeat]["dice"].keys():
            for region, cases in ours[repeat]["dice"][subset].items():
                for case, value in cases.items():
                    other_value = theirs[repeat]["dice"][subset][region][case]
                    differences.setdefault(case, []).append(value - other_value)
    return [statistics.fmean(values) for _, values in sorted(differences.items())]


def gradient_ratios(results: Sequence[Result], arm: str) -> dict[str, dict[str, float]]:
    """Return, for each term, its gradient norm over the segmentation's, of all repeats' epochs after the ramp.

    Keys: `median` and `maximum` after the ramp, `end_of_ramp` and `last`: the medians over the repeats there.
    """
    after = [
        [row for row in result["record"] if row.get("ramp", 0) > 0.99 and _has_norms(row)]
        for result in of_arm(results, arm).values()
    ]
    after = [rows for rows in after if rows]
    terms = [name.removeprefix(GRADIENT) for name in (after[0][0] if after else ()) if name.startswith(GRADIENT)]
    return {
        term: _ratios([[row[GRADIENT + term] / row["gradient_segmentation"] for row in rows] for rows in after])
        for term in terms
        if term != "segmentation"
    }


def _has_norms(row: Mapping[str, float]) -> bool:
    """Whether there was a gradient of everything; NaN says that the epoch's first batch had nothing to distil."""
    norms = [value for name, value in row.items() if name.startswith(GRADIENT)]
    return row["gradient_segmentation"] > 0 and not any(map(math.isnan, norms))


def _ratios(repeats: list[list[float]]) -> dict[str, float]:
    pooled = [ratio for ratios in repeats for ratio in ratios]
    return {
        "median": statistics.median(pooled),
        "maximum": max(pooled),
        "end_of_ramp": statistics.median(ratios[0] for ratios in repeats),
        "last": statistics.median(ratios[-1] for ratios in repeats),
    }


def attention_entropy(results: Sequence[Result], arm: str) -> dict[str, float]:
    """Return the means over the repeats of both branches' attention entropy in the first and in the last epoch."""
    records = [result["record"] for result in of_arm(results, arm).values() if result["record"]]
    return {
        f"{branch} {when}": statistics.fmean(record[place][f"attention_entropy_{branch}"] for record in records)
        for branch in ("student", "teacher")
        for when, place in (("first", 0), ("last", -1))
        if records and f"attention_entropy_{branch}" in records[0][0]
    }
