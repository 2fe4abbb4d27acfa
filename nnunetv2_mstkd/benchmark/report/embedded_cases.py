"""The patients as the viewer's script gets them, as many and as much of them as a page can hold (L2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.report.case_choice import ChosenCase
from nnunetv2_mstkd.benchmark.report.case_volume import CaseVolume
from nnunetv2_mstkd.regions import Region
from nnunetv2_mstkd.sequence_name import known_sequence

SHOWN_FIRST = ("FLAIR", "T1ce")  # images that show most of a tumour; they are kept longest, too
KEPT_BYTES = 8_500_000  # of embedded volumes: with NiiVue and the rest the page stays below 12 MB


@dataclass(frozen=True)
class Scores:
    """What the choice of cases and the numbers beneath the panels are made of.

    Args:
        models: titles.
        subsets: names.
        regions: that are scored.
        cases: names.
        dice: float (models, subsets, regions, cases).
    """

    models: Sequence[str]
    subsets: Sequence[str]
    regions: Sequence[Region]
    cases: Sequence[str]
    dice: NDArray[np.float64]

    def of(self, model: str) -> NDArray[np.float64]:
        """Return the values (subsets, regions, cases) of a model."""
        return self.dice[list(self.models).index(model)]


def kept_first(modalities: Sequence[str]) -> list[str]:
    """Return the modalities in the order in which their images are worth their bytes."""
    known = {known_sequence(name): name for name in reversed(modalities)}
    first = [known[sequence] for sequence in SHOWN_FIRST if sequence in known]
    return [*first, *(name for name in modalities if name not in first)]


def embedded_cases(
    volumes: Sequence[CaseVolume],
    chosen: Sequence[ChosenCase],
    shown: Sequence[str],
    scores: Scores,
    modalities: Sequence[str],
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return the cases for the script, the modalities whose images fit, and what was left out, in sentences.

    Args:
        volumes: of the cases.
        chosen: the cases.
        shown: titles of the models whose predictions are embedded.
        scores: of all models.
        modalities: those whose images are worth most first.
    """
    cases = [_case(v, c, shown, scores) for v, c in zip(volumes, chosen, strict=True)]
    kept, left_out = list(modalities), []
    while _size(cases) > KEPT_BYTES and (len(kept) > 1 or len(cases) > 1):
        if len(kept) > 1:
            gone = kept.pop()
            for case in cases:
                case["images"].pop(gone, None)
            left_out.append(f"The images of {gone} are left out, to keep the file small.")
        else:
            gone_case = cases.pop()
            left_out.append(f"{gone_case['name']} is left out of the viewer, to keep the file small.")
    return cases, kept, left_out


def _case(volume: CaseVolume, choice: ChosenCase, shown: Sequence[str], scores: Scores) -> dict[str, Any]:
    predictions: dict[str, dict[str, str]] = {title: {} for title in shown}
    for (title, subset), labels in volume.predictions.items():
        predictions[title][subset] = volume.encoded(labels)
    place = list(scores.cases).index(choice.case)
    return {
        "name": choice.case,
        "focus_mm": [round(value, 2) for value in volume.focus_mm],
        "images": {modality: volume.encoded(image) for modality, image in volume.images.items()},
        "reference": volume.encoded(volume.reference),
        "predictions": predictions,
        "dice": {title: _listed(scores.of(title)[:, :, place]) for title in shown},
    }


def _listed(values: NDArray[np.float64]) -> list[list[float | None]]:
    return [[round(float(v), 4) if np.isfinite(v) else None for v in row] for row in values]


def _size(cases: Sequence[Mapping[str, Any]]) -> int:
    return len(json.dumps(cases))
