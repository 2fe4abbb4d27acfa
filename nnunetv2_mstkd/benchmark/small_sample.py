"""What so few patients cannot show (L2)."""

from collections.abc import Mapping, Sequence
from typing import Any

from nnunetv2_mstkd.benchmark.comparisons import is_single
from nnunetv2_mstkd.evaluation.metrics import METRICS
from nnunetv2_mstkd.evaluation.wilcoxon import smallest_p

SMALL = 20  # patients

Row = Mapping[str, Any]
Families = Mapping[tuple[str, str], Sequence[int]]


def small_sample(metrics: Mapping[str, Any], alpha: float) -> str | None:
    """Return what to bear in mind; None where every number is of enough patients.

    Args:
        metrics: of a summary: each with its cells and comparisons.
        alpha: level of the tests.
    """
    families = _families(metrics)
    cells = [row["n"] for content in metrics.values() for row in content["cells"] if row["n"]]
    sizes = [n for family in families.values() for n in family] or cells
    if not sizes or min(sizes) >= SMALL:
        return None
    few = f"{min(sizes)} patient{'s' if min(sizes) != 1 else ''}"
    some = f"As few as {few} in some {'comparisons' if families else 'cells'}"
    counted = f"Only {few}" if min(sizes) == max(sizes) else some
    told = f"{counted}: means and intervals may move a lot with a few more."
    return f"{told} {_limits(families, alpha)}" if families else told


def _families(metrics: Mapping[str, Any]) -> Families:
    """Return the pairs of each comparison that Holm's correction takes together, by metric and model."""
    families: dict[tuple[str, str], list[int]] = {}
    for metric, content in metrics.items():
        for row in filter(is_single, content["comparisons"]):
            families.setdefault((metric, row["model"]), []).append(row["n"])
    return families


def _limits(families: Families, alpha: float) -> str:
    """Say what the test cannot show: the smallest p of a family has to stand against all of the family."""
    hopeless = [key for key, sizes in families.items() if smallest_p(max(sizes)) * len(sizes) >= alpha]
    sizes = [n for key in hopeless or families for n in families[key]]
    pairs = max(sizes) if hopeless else min(sizes)
    told = (
        f"With {pairs} pair{'s' if pairs != 1 else ''} the Wilcoxon test cannot give a p below {smallest_p(pairs):.2g}"
    )
    if not hopeless:
        return f"{told}."
    return (
        f"{told}, and Holm's correction asks the smallest p of a model for less than {alpha:g} divided by the number "
        f"of its comparisons: no single comparison {_whose(hopeless, families)}can be significant here, however large "
        "the difference. That there is no mark does not mean that there is no difference."
    )


def _whose(hopeless: Sequence[tuple[str, str]], families: Families) -> str:
    """Return "" if it holds for all; else of which models, and in which metrics if not in all of the model's."""
    if len(hopeless) == len(families):
        return ""
    parts = []
    for model in dict.fromkeys(model for _, model in hopeless):
        metrics = [metric for metric, of_model in hopeless if of_model == model]
        is_all = len(metrics) == sum(of_model == model for _, of_model in families)
        parts.append(model if is_all else f"{model} in {', '.join(METRICS[metric].title for metric in metrics)}")
    return f"of {'; '.join(parts)} "
