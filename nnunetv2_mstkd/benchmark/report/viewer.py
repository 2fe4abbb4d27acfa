"""What the viewer shows, embedded in the page: a few patients with every subset of two models (L2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunetv2_mstkd.benchmark.facts_array import Scored
from nnunetv2_mstkd.benchmark.report.case_choice import ChosenCase, choose_cases, typical_subset
from nnunetv2_mstkd.benchmark.report.case_volume import CaseVolume, read_case_volume
from nnunetv2_mstkd.benchmark.report.embedded_cases import Scores, embedded_cases, kept_first
from nnunetv2_mstkd.benchmark.report.label_legend import Label, label_legend
from nnunetv2_mstkd.benchmark.report.previews import read_previews
from nnunetv2_mstkd.benchmark.report.slice_picture import slice_picture
from nnunetv2_mstkd.benchmark.results import nanmean
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import Modalities


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
    chosen, volumes, left_out = _read_cases(records, scores, model, shown)
    gain = scores.of(model) - (scores.of(baseline) if baseline is not None else 0)
    wanted = typical_subset(scores.subsets, nanmean(gain, axis=(1, 2)))
    subset = _shown_subset(volumes[0], shown, scores.subsets, wanted)
    labels = label_legend(scores.regions)
    order = kept_first(modalities)
    stills = tuple(_still(v, c, order[0], shown, subset, labels) for v, c in zip(volumes, chosen, strict=True))
    cases, kept, dropped = embedded_cases(volumes, chosen, shown, scores, order)
    data = {
        "start": {"subset": subset, "modality": order[0]},
        "subsets": list(scores.subsets),
        "regions": [region.short for region in scores.regions],
        "models": shown,
        "present": {str(s): list(s.names) for s in Modalities(tuple(modalities)).subsets() if str(s) in scores.subsets},
        "labels": [{"number": label.number, "colour": label.colour} for label in labels],
        "cases": cases,
    }
    return Viewer(
        panels=("Image", "Reference", *shown),
        labels=labels,
        cases=tuple(chosen[: len(cases)]),
        modalities=tuple(m for m in modalities if m in kept),
        subset=subset,
        is_typical=subset == wanted,
        grid=_grid(volumes),
        modality=order[0],
        stills=stills,
        data=data,
        left_out=(*left_out, *dropped),
    )


def _read_cases(
    records: Sequence[Scored], scores: Scores, model: str, shown: Sequence[str]
) -> tuple[list[ChosenCase], list[CaseVolume], list[str]]:
    """Return the cases to show, what is in their files, and which cannot be shown, in sentences; one can at least."""
    chosen, volumes, left_out = [], [], []
    for choice in choose_cases(scores.cases, nanmean(scores.of(model), axis=(0, 1))):
        try:
            volumes.append(_volume(records, choice.case, shown))
            chosen.append(choice)
        except BenchmarkError as error:
            left_out.append(f"{choice.case} ({choice.reason} case) is not shown: {error}.")
    if not volumes:
        raise BenchmarkError(" ".join(left_out) or "There is no scored case")
    return chosen, volumes, left_out


def _grid(volumes: Sequence[CaseVolume]) -> str:
    """Return the distances of the voxels in words; several, where cases differ."""
    spacings = dict.fromkeys(volume.spacing_mm for volume in volumes)
    grids = (" \N{MULTIPLICATION SIGN} ".join(f"{step:.1f}" for step in spacing) for spacing in spacings)
    return f"{', '.join(grids)} mm"


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
