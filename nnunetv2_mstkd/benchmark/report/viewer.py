"""What the viewer shows, embedded in the page: a few patients with every subset of two models (L2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.report.case_choice import ChosenCase, choose_cases, typical_subset
from nnunetv2_mstkd.benchmark.report.case_volume import CaseVolume, read_case_volume
from nnunetv2_mstkd.benchmark.report.label_legend import Label, label_legend
from nnunetv2_mstkd.benchmark.report.previews import read_previews
from nnunetv2_mstkd.benchmark.report.slice_picture import slice_picture
from nnunetv2_mstkd.benchmark.results import Scored, nanmean
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import Modalities, known_sequence
from nnunetv2_mstkd.regions import Region

SHOWN_FIRST = ("FLAIR", "T1ce")  # images that show most of a tumour; they are kept longest, too
KEPT_BYTES = 8_500_000  # of embedded volumes: with NiiVue and the rest the page stays below 12 MB


@dataclass(frozen=True)
class Still:
    """A picture of a case for where no viewer runs: PNG in base64, and what it shows."""

    picture: str
    case: str
    reason: str


@dataclass(frozen=True)
class Viewer:
    """The viewer's part of the page.

    Args:
        panels: titles: the image, the reference, the models.
        labels: legend.
        cases: that can be chosen.
        modalities: whose images are embedded.
        subset: that it opens with.
        is_typical: whether that is the one of the median gain; else it is the first that all shown models have.
        grid: distances of the voxels that are shown, in words.
        modality: that it opens with.
        stills: a picture for each case.
        data: for templates/viewer.js.
        left_out: what had to be left out, in sentences.
    """

    panels: tuple[str, ...]
    labels: tuple[Label, ...]
    cases: tuple[ChosenCase, ...]
    modalities: tuple[str, ...]
    subset: str
    is_typical: bool
    grid: str
    modality: str
    stills: tuple[Still, ...]
    data: Mapping[str, Any]
    left_out: tuple[str, ...]


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


def make_viewer(
    records: Sequence[Scored], scores: Scores, model: str, baseline: str | None, modalities: Sequence[str]
) -> Viewer:
    """Choose cases and read them.

    Args:
        records: of the benchmark.
        scores: of all models.
        model: whose worst, median and best case are shown.
        baseline: that stands beside it; None: none does.
        modalities: channel names.

    Raises:
        BenchmarkError: if no case can be shown; the message says why.
    """
    shown = [title for title in (baseline, model) if title is not None]
    volumes, left_out, chosen = [], [], []
    for choice in choose_cases(scores.cases, nanmean(scores.of(model), axis=(0, 1))):
        try:
            volumes.append(_volume(records, choice.case, shown))
            chosen.append(choice)
        except BenchmarkError as error:
            left_out.append(f"{choice.case} ({choice.reason} case) is not shown: {error}.")
    if not volumes:
        raise BenchmarkError(" ".join(left_out) or "There is no scored case")
    gain = scores.of(model) - (scores.of(baseline) if baseline is not None else 0)
    wanted = typical_subset(scores.subsets, nanmean(gain, axis=(1, 2)))
    subset = _shown_subset(volumes[0], shown, scores.subsets, wanted)
    labels = label_legend(scores.regions)
    order = kept_first(modalities)
    stills = tuple(_still(v, c, order[0], shown, subset, labels) for v, c in zip(volumes, chosen, strict=True))
    cases, kept, dropped = _embedded(volumes, chosen, shown, scores, order)
    left_out += dropped
    data = {
        "start": {"subset": subset, "modality": order[0]},
        "subsets": list(scores.subsets),
        "regions": [region.short for region in scores.regions],
        "models": shown,
        "present": {str(s): list(s.names) for s in Modalities(tuple(modalities)).subsets() if str(s) in scores.subsets},
        "labels": [{"number": label.number, "colour": label.colour} for label in labels],
        "cases": cases,
    }
    panels = ("Image", "Reference", *shown)
    spacings = dict.fromkeys(volume.spacing_mm for volume in volumes)
    grids = (" \N{MULTIPLICATION SIGN} ".join(f"{step:.1f}" for step in spacing) for spacing in spacings)
    inside = tuple(m for m in modalities if m in kept)
    return Viewer(
        panels=panels,
        labels=labels,
        cases=tuple(chosen[: len(cases)]),
        modalities=inside,
        subset=subset,
        is_typical=subset == wanted,
        grid=f"{', '.join(grids)} mm",
        modality=order[0],
        stills=stills,
        data=data,
        left_out=tuple(left_out),
    )


def kept_first(modalities: Sequence[str]) -> list[str]:
    """Return the modalities in the order in which their images are worth their bytes."""
    known = {known_sequence(name): name for name in reversed(modalities)}
    first = [known[sequence] for sequence in SHOWN_FIRST if sequence in known]
    return [*first, *(name for name in modalities if name not in first)]


def _volume(records: Sequence[Scored], case: str, shown: Sequence[str]) -> CaseVolume:
    found = read_previews(records, case, shown)
    return read_case_volume(case, found.record.images, found.record.reference, found.labels, found.stride)


def _shown_subset(volume: CaseVolume, shown: Sequence[str], subsets: Sequence[str], wanted: str) -> str:
    """Return the wanted subset if all models have it, else the first that all of them have, else the wanted one."""
    common = [s for s in (wanted, *subsets) if all((title, s) in volume.predictions for title in shown)]
    return (common or [wanted])[0]


def _still(
    volume: CaseVolume, choice: ChosenCase, modality: str, shown: Sequence[str], subset: str, labels: Sequence[Label]
) -> Still:
    nothing = np.zeros_like(volume.reference)
    maps = [volume.reference, *(volume.predictions.get((title, subset), nothing) for title in shown)]
    beneath = modality if modality in volume.images else next(iter(volume.images))
    picture = slice_picture(volume, beneath, maps, {label.number: label.colour for label in labels})
    return Still(picture, choice.case, choice.reason)


def _embedded(
    volumes: Sequence[CaseVolume],
    chosen: Sequence[ChosenCase],
    shown: Sequence[str],
    scores: Scores,
    modalities: Sequence[str],
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Return the cases for the script, the modalities whose images fit, and what was left out."""
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
