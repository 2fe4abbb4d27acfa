"""Tables of the Dice values: Markdown for people, CSV for programs (L2)."""

import csv
import io
import math
from collections.abc import Sequence

from nnunetv2_mstkd.demo.dice import REGIONS, Score
from nnunetv2_mstkd.demo.recipe import Recipe

ITERATIONS_PER_EPOCH = 250  # nnU-Net's own


def markdown_table(scores: Sequence[Score], recipe: Recipe) -> str:
    """Return a table with a row for each subset and a column for each region and model, and what it says."""
    models = [model.title for model in recipe.models]
    header = ["present", *(f"{region} {model}" for region in REGIONS for model in models)]
    lines = [header, ["---"] * len(header)]
    for subset in dict.fromkeys(score.subset for score in scores):
        means = {score.model: score.mean for score in scores if score.subset == subset}
        lines.append([subset, *(cell for region in REGIONS for cell in _cells([means[m][region] for m in models]))])
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\n{_caption(recipe)}\n"


def csv_table(scores: Sequence[Score]) -> str:
    """Return a line for each subset, model and region: the mean; unrounded."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["present", "model", "region", "dice"])
    for score in scores:
        writer.writerows([score.subset, score.model, REGIONS[short], dice] for short, dice in score.mean.items())
    return text.getvalue()


def _cells(values: Sequence[float]) -> list[str]:
    """Return the values with three digits, the best of them in bold, and all that equal it to three digits."""
    shown = ["-" if math.isnan(value) else f"{value:.3f}" for value in values]
    best = max((text for text in shown if text != "-"), default=None)
    return [f"**{text}**" if text == best else text for text in shown]


def _caption(recipe: Recipe) -> str:
    epochs = f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} of {ITERATIONS_PER_EPOCH} iterations"
    lines = [
        f"Mean Dice over {recipe.test_cases} simulated test cases after {epochs}; bold: the highest of a region. Each "
        "model was trained once: a difference of a few hundredths is chance.",
        "WT whole tumour, TC tumour core, ET enhancing tumour. A case that has a region neither in the reference nor "
        "in the prediction is left out of the mean of that region, as nnU-Net does.",
    ]
    for model in recipe.models:
        if not model.reads_mask:
            lines.append(f"{model.title} reads no mask: its absent channels are files full of zeros.")
    return "\n".join(lines)
