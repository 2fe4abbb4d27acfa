"""The answer in a few sentences (L2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.comparisons import is_single
from nnunetv2_mstkd.benchmark.results import Results
from nnunetv2_mstkd.evaluation.holm import holm

Row = Mapping[str, Any]


def headline(results: Results, summary: Mapping[str, Any], metric: str = "dice") -> dict[str, Any]:
    """Return the model that is furthest above the baseline, and how it compares with the baseline, in words.

    Means, difference, interval and p are all of the same pairs of values. The best of several models is the best by
    chance, too: its p is corrected for all that might have been chosen.

    Args:
        results: of the benchmark.
        summary: with everything but the headline.
        metric: in which the models are compared; higher is better.
    """
    content, baseline = summary["metrics"][metric], summary["baseline"]
    candidates = _candidates(content)
    if not candidates:
        none = {"candidates": 0, "wilcoxon_p": None, "holm_p": None}
        return {"model": baseline, "text": _alone(summary, content, baseline), **none}
    corrected = holm([row["wilcoxon_p"] for row in candidates])
    place = max(range(len(candidates)), key=lambda i: candidates[i]["mean_difference"])
    best, p = candidates[place], float(corrected[place])
    rows = [row for row in content["comparisons"] if row["model"] == best["model"] and is_single(row)]
    alpha = summary["tests"]["alpha"]
    sentences = [
        _answer(summary, best, rows, len(candidates)),
        _missing(rows, summary["num_cases"]),
        _verdict(best, p, baseline, len(candidates), alpha),
        _counts(rows, alpha),
        _trainings(results),
    ]
    text = " ".join(sentence for sentence in sentences if sentence)
    chosen = {"candidates": len(candidates), "wilcoxon_p": best["wilcoxon_p"], "holm_p": p}
    return {"model": best["model"], "text": text, **chosen}


def _candidates(content: Mapping[str, Any]) -> list[Row]:
    """Return the overall comparisons of the models that were scored on every subset; of all models if none was."""
    overall = [row for row in content["comparisons"] if row["subset"] == row["region"] == ALL]
    complete = {row["model"] for row in content["averages"] if row["region"] == ALL and row["mean"] is not None}
    return [row for row in overall if row["model"] in complete] or overall


def _alone(summary: Mapping[str, Any], content: Mapping[str, Any], title: str) -> str:
    """Say how the baseline does where there is nothing to compare it with."""
    rows = [row for row in content["cells"] if row["model"] == title and row["n"]]
    if not rows:
        return f"{title} has no Dice that this policy for empty masks defines."
    counts = [row["n"] for row in rows]
    patients = _patients(max(counts)) if min(counts) == max(counts) else f"{min(counts)} to {_patients(max(counts))}"
    mean = sum(row["mean"] for row in rows) / len(rows)
    others = "No other model was scored on the same patients and subsets: there is nothing to compare it with."
    return f"{title} reaches a mean Dice of {mean:.2f} over {_where(summary, rows)} of {patients}. {others}"


def _answer(summary: Mapping[str, Any], best: Row, rows: Sequence[Row], candidates: int) -> str:
    subject, baseline = best["model"], summary["baseline"]
    if candidates > 1:
        subject += f", the best of {candidates} models beside {baseline},"
    patients = _patients(summary["num_cases"])
    patients = patients if best["n"] == summary["num_cases"] else f"{best['n']} of {patients}"
    where = f"{_where(summary, rows)} of {patients}"
    return f"{subject} reaches a mean Dice of {best['mean']:.2f} over {where}, {_difference(best, baseline)}"


def _where(summary: Mapping[str, Any], rows: Sequence[Row]) -> str:
    subsets, regions = ({row[key]: None for row in rows} for key in ("subset", "region"))
    possible = 2 ** len(summary["modalities"]) - 1
    told = f"{len(subsets)} subset{'s' if len(subsets) > 1 else ''} of the modalities"
    told = f"the subset {next(iter(subsets))}" if len(subsets) == 1 else told
    told = f"all {possible} subsets of the modalities" if len(subsets) == possible > 1 else told
    return f"{told} and {len(regions)} region{'s' if len(regions) > 1 else ''}"


def _patients(count: int) -> str:
    return f"{count} patient{'s' if count != 1 else ''}"


def _difference(row: Row, baseline: str) -> str:
    """Say how far a model is from the baseline, with the interval as the difference's own sign has it."""
    value, base = abs(row["mean_difference"]), row["baseline_mean"]
    if f"{value:.3f}" == "0.000":
        told = f"as {baseline} does ({base:.2f}"
    else:
        told = f"{value:.3f} {'above' if row['mean_difference'] > 0 else 'below'} {baseline} ({base:.2f}"
    if row["ci_low"] is None:
        return f"{told}; one patient gives no interval)."
    return f"{told}; 95 % interval of the difference {row['ci_low']:+.3f} to {row['ci_high']:+.3f})."


def _missing(rows: Sequence[Row], patients: int) -> str:
    """Say over what the means are where not every patient has every pair; "" where each has."""
    few, many = min(row["n"] for row in rows), max(row["n"] for row in rows)
    if few == patients:
        return ""
    counted = str(few) if few == many else f"{few} to {many}"
    return (
        f"Both means are over the values that both models have, of {counted} of the {patients} patients for each "
        "subset and region."
    )


def _verdict(row: Row, p: float, baseline: str, candidates: int, alpha: float) -> str:
    """Say whether the models differ; interval and test have to agree, for an interval of a few patients is too short.

    So have mean and ranks: one outlier can turn the sign of the mean.
    """
    told = f"Wilcoxon p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
    told += f", Holm over {candidates} models" if candidates > 1 else ""
    excludes_zero = row["ci_low"] is not None and not row["ci_low"] <= 0 <= row["ci_high"]
    same_sign = (row["mean_difference"] > 0) == (row["rank_biserial"] > 0)
    if not (excludes_zero and same_sign and p < alpha):
        return f"The mean of each patient shows no clear difference ({told})."
    return f"The mean of each patient differs from that of {baseline} ({told})."


def _counts(rows: Sequence[Row], alpha: float) -> str:
    """Say how many single comparisons stand after the correction."""
    stand = [row for row in rows if row["holm_p"] < alpha]
    better = sum(1 for row in stand if row["rank_biserial"] > 0)
    pairs = f"{len(rows)} pair{'s' if len(rows) > 1 else ''} of subset and region"
    if not stand:
        return f"None of the {pairs} differs significantly after Holm's correction."
    worse = len(stand) - better
    told = f"After Holm's correction it is significantly better in {better} of {pairs}"
    return f"{told}, worse in {worse}." if worse else f"{told}, worse in none."


def _trainings(results: Results) -> str:
    """Say what intervals and tests do not cover, where a model was not trained more than once."""
    once = [model.title for model in results.models if len({training.repeat for training in model.trainings}) == 1]
    if not once:
        return ""
    whose = "each model" if len(once) == len(results.models) else ", ".join(once)
    return (
        f"Interval and p cover the patients, for these trainings: there is one repeat of {whose}, and what another "
        "training would change is not in them."
    )
