"""Sentences and numbers in the page's text (L2)."""

import re
from collections import Counter
from collections.abc import Sequence

from nnunetv2_mstkd.benchmark.comparisons import is_single
from nnunetv2_mstkd.benchmark.report.number_text import count_range, shown_count
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex


def split_answer(text: str) -> tuple[str, str]:
    """Return the first sentence of the headline, and the rest; abbreviations and numbers do not end a sentence."""
    first, *rest = re.split(r"(?<=[a-z0-9)]\.) (?=[A-Z])", text.strip(), maxsplit=1)
    return first, rest[0] if rest else ""


def told_cases(reasons: Sequence[str]) -> str:
    """Return "The worst, median and best patient" of such reasons."""
    *first, last = reasons
    return f"The {', '.join(first)} and {last} patient" if first else f"The {last} patient"


def told_families(index: SummaryIndex) -> str:
    """Return how many tests Holm's correction takes together: "45", or by model where they differ."""
    counts: dict[str, set[int]] = {model: set() for model in index.others}
    for content in index.summary["metrics"].values():
        of_metric = Counter(row["model"] for row in filter(is_single, content["comparisons"]))
        for model, found in counts.items():
            found.add(of_metric[model])
    everything = set().union(*counts.values())
    if len(everything) < 2:
        return count_range(everything)
    return ", ".join(f"{model} {count_range(found)}" for model, found in counts.items())


def told_patients(index: SummaryIndex) -> str:
    """Return of how many patients the cells are."""
    cells = [row["n"] for content in index.summary["metrics"].values() for row in content["cells"]]
    total = shown_count(index.summary["num_cases"], "patient")
    return total if set(cells) == {index.summary["num_cases"]} else f"{count_range(cells)} of {total}"
