"""Whether a model can predict a case (L3)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.geometry import Geometry
from nnunetv2_mstkd.cases.image_check import CaseCheck, check_case
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.inference.image import Image
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.inference.previous_stage import PreviousStage, previous_stage_faults


def check_for_model(
    case: Case,
    model: Model,
    reader: ImageReader,
    loaded: Mapping[Path, Image] | None = None,
    previous_stage: PreviousStage | None = None,
) -> CaseCheck:
    """Return the case without its empty channels, and all that is wrong with it; thread-safe.

    Args:
        case: which file holds which channel.
        model: that is to predict it.
        reader: of files.
        loaded: images that are in memory, by file; None: all are read.
        previous_stage: labels, which a cascade needs.
    """
    grids: dict[Path, Geometry] = {}

    def read(file: Path) -> tuple[NDArray[np.float32], Geometry]:
        image = loaded[file] if loaded is not None else reader.read(file)
        grids[file] = image.geometry
        return image.volumes, image.geometry

    found = check_case(case, model.modalities, read, needs_depth=not model.is_2d)
    grid = None if found.problems else grids[found.case.files[0]]
    of_stage = previous_stage_faults(previous_stage, grid, reader, is_cascade=model.is_cascade)
    faults = (Problem(case.name, fault) for fault in chain(_missing_need(found.case, model), of_stage))
    return replace(found, problems=(*found.problems, *faults))


def _missing_need(case: Case, model: Model) -> Iterator[str]:
    """Yield what is wrong if a case lacks what a dedicated model was trained for."""
    present = case.subset(model.modalities)
    if model.needs is not None and not present.issuperset(model.needs):
        yield f"has {present}; this model was trained for {model.needs} alone and needs it"
