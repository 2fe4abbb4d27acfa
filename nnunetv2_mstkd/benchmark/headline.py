"""The answer in a sentence or two (L2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_mstkd.benchmark.cells import ALL

Row = Mapping[str, Any]


def headline(summary: Mapping[str, Any], metric: str = "dice") -> dict[str, str]:
    """Return the model with the best mean Dice but the baseline, and how it compares with the baseline, in words.

    Args:
        summary: with everything but the headline.
        metric: in which the models are compared; higher is better.
    """
    content, baseline = summary["metrics"][metric], summary["baseline"]
    candidates = _candidates(content)
    if not candidates:
        return {"model": baseline, "text": _alone(summary, content, baseline)}
    best = max(candidates, key=lambda row: row["mean_difference"])
    rows = [row for row in content["comparisons"] if row["model"] == best["model"] and ALL not in _place(row)]
    subsets = list(dict.fromkeys(row["subset"] for row in rows))
    means = [_mean(content["cells"], model, rows) for model in (best["model"], baseline)]
    where, alpha = f"{_where(summary, subsets)} of {_patients(best['n'])}", summary["tests"]["alpha"]
    subject = best["model"]
    if len(candidates) > 1:
        subject += f", the best of {len(candidates)} models beside {baseline},"
    text = f"{subject} reaches a mean Dice of {means[0]:.2f} over {where}, {_difference(best, means[1], baseline)}"
    return {"model": best["model"], "text": f"{text} {_verdict(best, alpha)} {_counts(rows, alpha)}"}


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
    subsets = list(dict.fromkeys(row["subset"] for row in rows))
    where = f"{_where(summary, subsets)} of {_patients(max(row['n'] for row in rows))}"
    others = "No other model was scored on the same patients and subsets: there is nothing to compare it with."
    return f"{title} reaches a mean Dice of {_mean(rows, title, rows):.2f} over {where}. {others}"


def _where(summary: Mapping[str, Any], subsets: Sequence[str]) -> str:
    possible = 2 ** len(summary["modalities"]) - 1
    regions = len(summary["regions"])
    told = f"{len(subsets)} subset{'s' if len(subsets) > 1 else ''} of the modalities"
    told = f"the subset {subsets[0]}" if len(subsets) == 1 else told
    told = f"all {possible} subsets of the modalities" if len(subsets) == possible > 1 else told
    return f"{told} and {regions} region{'s' if regions > 1 else ''}"


def _patients(count: int) -> str:
    return f"{count} patient{'s' if count != 1 else ''}"


def _difference(row: Row, base: float, baseline: str) -> str:
    """Say how far a model is from the baseline, with the interval as the difference's own sign has it."""
    value = abs(row["mean_difference"])
    if f"{value:.3f}" == "0.000":
        told = f"as {baseline} does ({base:.2f}"
    else:
        told = f"{value:.3f} {'above' if row['mean_difference'] > 0 else 'below'} {baseline} ({base:.2f}"
    if row["ci_low"] is None:
        return f"{told}; one patient gives no interval)."
    return f"{told}; 95 % interval of the difference {row['ci_low']:+.3f} to {row['ci_high']:+.3f})."


def _verdict(row: Row, alpha: float) -> str:
    """Say whether the mean differs; interval and test have to agree, for an interval of a few patients is too short."""
    if row["ci_low"] is None or row["ci_low"] <= 0 <= row["ci_high"] or row["wilcoxon_p"] >= alpha:
        return "On average over all of them that is no clear difference."
    return f"On average it is {'better' if row['mean_difference'] > 0 else 'worse'} than chance would explain."


def _counts(rows: Sequence[Row], alpha: float) -> str:
    """Say how many single comparisons stand after the correction."""
    stand = [row for row in rows if row["holm_p"] is not None and row["holm_p"] < alpha]
    better = sum(1 for row in stand if row["rank_biserial"] > 0)
    pairs = f"{len(rows)} pair{'s' if len(rows) > 1 else ''} of subset and region"
    if not stand:
        return f"None of the {pairs} differs significantly after Holm's correction."
    worse = len(stand) - better
    told = f"After Holm's correction it is significantly better in {better} of {pairs}"
    return f"{told}, worse in {worse}." if worse else f"{told}, worse in none."


def _mean(cells: Sequence[Row], model: str, rows: Sequence[Row]) -> float:
    """Return the mean of a model's cells that are in `rows`."""
    places = {_place(row) for row in rows}
    means = [row["mean"] for row in cells if row["model"] == model and _place(row) in places]
    return float(sum(means) / len(means))


def _place(row: Row) -> tuple[str, str]:
    return row["subset"], row["region"]
