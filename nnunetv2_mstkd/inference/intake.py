"""What a folder holds and what of it may be predicted: all is checked before any network runs (L3)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.discovery import find_cases
from nnunetv2_mstkd.cases.image_check import CaseCheck
from nnunetv2_mstkd.cases.modality_table import apply_modality_table, read_modality_table, restrict_cases
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor


@dataclass(frozen=True)
class Selection:
    """Which images of which cases to take.

    Args:
        folder: of the images.
        modalities: names that all cases are restricted to, as a user types them; None: all that is there.
        modality_table: CSV or JSON file that says it for each case.
        channel_order: modality of each volume of 4D files, "-" for one to pass over; None: a file per channel.
        previous_stage: folder with the previous stage's labels, for a cascade.
        part: which of `num_parts` parts of the cases.
        num_parts: into which the cases are divided, so that several calls share them.
    """

    folder: Path
    modalities: str | None = None
    modality_table: Path | None = None
    channel_order: str | None = None
    previous_stage: Path | None = None
    part: int = 0
    num_parts: int = 1


@dataclass(frozen=True)
class Intake:
    """What was found.

    Args:
        cases: fit to be predicted.
        problems: what stops the others.
        ignored: files that are no images.
    """

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...] = ()
    ignored: tuple[Path, ...] = field(default=(), repr=False)


def find(selection: Selection, predictor: MissingModalityPredictor) -> Intake:
    """Return the cases by their names alone: nothing is read yet.

    Raises:
        CaseError: if the folder or the table cannot be used.
        ModalityError: if a modality is unknown.
    """
    if selection.previous_stage is not None and not predictor.model.is_cascade:
        raise CaseError(f"{selection.previous_stage}: this model is no cascade and takes no labels of a previous stage")
    modalities = predictor.model.modalities
    order = None if selection.channel_order is None else parse_channel_order(selection.channel_order)
    found = find_cases(selection.folder, modalities, predictor.reader.file_endings, order)
    cases, problems = list(found.cases), list(found.problems)
    if selection.modality_table is not None:
        cases, more = apply_modality_table(cases, read_modality_table(selection.modality_table, modalities))
        problems += more
    if selection.modalities is not None:
        cases, more = restrict_cases(cases, modalities.subset(selection.modalities))
        problems += more
    return Intake(tuple(cases[selection.part :: selection.num_parts]), tuple(problems), found.ignored)


def parse_channel_order(text: str) -> list[str | None]:
    """Return the names in "T1,T1ce,-,FLAIR", None for "-"."""
    return [None if name.strip() == "-" else name.strip() for name in text.split(",")]


def check_images(
    cases: Sequence[Case], predictor: MissingModalityPredictor, selection: Selection, workers: int
) -> tuple[list[CaseCheck], list[Problem]]:
    """Read all images, and a cascade's labels, once; return the sound cases, and what is wrong with the others."""

    def check_one(case: Case) -> CaseCheck:
        return predictor.check(case, previous_stage=previous_stage_file(selection, case, predictor))

    sound: list[CaseCheck] = []
    problems: list[Problem] = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for check in pool.map(check_one, cases):
            problems += check.problems
            sound += [] if check.problems else [check]
    return sound, problems


def previous_stage_file(selection: Selection, case: Case, predictor: MissingModalityPredictor) -> Path | None:
    """Return the file with a case's labels of the previous stage; None where the model is no cascade."""
    if not predictor.model.is_cascade or selection.previous_stage is None:
        return None
    return selection.previous_stage / f"{case.name}{predictor.model.file_ending}"
