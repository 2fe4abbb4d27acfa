"""From a scan of a source to a raw dataset: first everything is checked, then everything is written (L1')."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.datasets.conversion.case_plan import CasePlanner
from nnunetv2_mstkd.datasets.conversion.check import CheckedDataset, check_dataset
from nnunetv2_mstkd.datasets.conversion.dataset_json import describe_dataset, links_of
from nnunetv2_mstkd.datasets.conversion.each_case import Progress, silent
from nnunetv2_mstkd.datasets.conversion.entry import Entry
from nnunetv2_mstkd.datasets.conversion.file_ending import dataset_ending
from nnunetv2_mstkd.datasets.conversion.leftover import remove_leftovers
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.conversion.output_error import output_errors
from nnunetv2_mstkd.datasets.conversion.prerequisites import require_prerequisites
from nnunetv2_mstkd.datasets.conversion.provenance import PROVENANCE_FILE, provenance_table
from nnunetv2_mstkd.datasets.conversion.splits import ChosenSplits, choose_splits
from nnunetv2_mstkd.datasets.conversion.target_folder import content_of, require_target
from nnunetv2_mstkd.datasets.conversion.writing import is_written, write_entries
from nnunetv2_mstkd.datasets.layouts.label_set import TargetLabels, target_labels
from nnunetv2_mstkd.datasets.layouts.source import SourceDataset
from nnunetv2_mstkd.errors import CaseError, ConversionError, OutputError
from nnunetv2_mstkd.splits_file import SPLITS_FILE
from nnunetv2_mstkd.whole_file import whole_file


@dataclass(frozen=True)
class Conversion:
    """All that is to be written, with nothing written yet.

    Args:
        out: folder of the dataset.
        checked: what goes into it.
        labels: what becomes of the values.
        cases: the entries of each case.
        splits: the folds.
        availability: what each case has.
        dataset_json: its content.
        provenance: content of provenance.csv.
    """

    out: Path
    checked: CheckedDataset
    labels: TargetLabels
    cases: tuple[tuple[Entry, ...], ...]
    splits: ChosenSplits
    availability: Availability
    dataset_json: Mapping[str, Any]
    provenance: str


def plan_conversion(
    source: SourceDataset, out: Path, root: LinkRoot, options: ConversionOptions, progress: Progress = silent
) -> Conversion:
    """Check everything, and return what is to be written.

    Args:
        source: as it was scanned.
        out: folder of the dataset, .../DatasetXXX_Name.
        root: where links are named from.
        options: how it is converted.
        progress: called after each case.

    Raises:
        ConversionError: if anything stands in the way; the message lists it.
        OutputError: if the folder cannot be written into.
    """
    require_target(out, source.folder)
    require_prerequisites(source, root, options)
    checked = check_dataset(source, skip_faulty=options.skip_faulty, workers=options.workers, progress=progress)
    labels = target_labels(checked.label_set, options.preset)
    ending = dataset_ending(checked)
    planner = CasePlanner(source.modalities, labels, options.storage, ending)
    cases = tuple(planner.entries(report) for report in checked.reports)
    links = links_of(cases, root) if options.storage == "link" else None
    present = {
        report.case.name: Case(report.case.name, report.case.images).subset(source.modalities)
        for report in checked.reports
    }
    patients = {case.name: case.patient for case in source.cases}
    return Conversion(
        out,
        checked,
        labels,
        cases,
        choose_splits(checked, options),
        Availability(source.modalities, present),
        describe_dataset(out.name, checked, labels, options.preset, ending, links),
        provenance_table(source.folder, cases, checked.excluded, patients),
    )


def write_conversion(conversion: Conversion, workers: int = 1, progress: Progress = silent) -> bool:
    """Write a dataset; go on where a killed run stopped.

    provenance.csv is written first and says what is to be there, dataset.json last: a folder without it is not
    finished, and nnU-Net does not take it.

    Args:
        conversion: what is to be written.
        workers: processes.
        progress: called after each case.

    Returns:
        Whether anything was written; False where the folder holds this dataset already.

    Raises:
        ConversionError: if the folder holds something else.
        OutputError: if a file cannot be written.
    """
    out = conversion.out
    if is_finished(conversion):
        return False
    _begin(out, conversion.provenance)
    write_entries(out, conversion.cases, conversion.labels, workers, progress)
    with output_errors(out / AVAILABILITY_FILE):
        write_availability(out / AVAILABILITY_FILE, conversion.availability)
    _write_text(out / SPLITS_FILE, _json(conversion.splits.folds))
    _write_text(out / "dataset.json", _json(conversion.dataset_json))
    return True


def _begin(out: Path, provenance: str) -> None:
    """Make the folder, with what is to be there; leave no empty one where that fails."""
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
    try:
        _write_text(out / PROVENANCE_FILE, provenance)
    except OutputError:
        with suppress(OSError):  # it holds something
            out.rmdir()
        raise


def is_finished(conversion: Conversion) -> bool:
    """Return whether the folder holds this dataset, with all its files.

    Raises:
        ConversionError: if it holds something else.
    """
    out = conversion.out
    there = content_of(out)
    if not there:
        return False
    wanted = {PROVENANCE_FILE: conversion.provenance}
    if "dataset.json" in there:
        wanted |= {SPLITS_FILE: _json(conversion.splits.folds), "dataset.json": _json(conversion.dataset_json)}
    for name, text in wanted.items():
        if not (out / name).is_file() or (out / name).read_text(encoding="utf-8", errors="surrogateescape") != text:
            raise ConversionError(
                f"{out} is not empty, and its {name} is not that of this conversion: choose another folder, or delete "
                "this one"
            )
    _require_no_strangers(conversion)
    if not _has_availability(conversion):
        return False
    files = (entry for entries in conversion.cases for entry in entries)
    return "dataset.json" in there and all(is_written(out, entry, conversion.labels) for entry in files)


def _has_availability(conversion: Conversion) -> bool:
    """Return whether the table is there; a damaged one, or one that says something else, is written again."""
    wanted = conversion.availability
    try:
        return read_availability(conversion.out / AVAILABILITY_FILE, wanted.modalities) == wanted
    except CaseError:
        return False


def _require_no_strangers(conversion: Conversion) -> None:
    """Refuse images and label maps that are not of this conversion: nnU-Net would take them for cases."""
    entries = (entry for entries in conversion.cases for entry in entries)
    planned = {str(entry.target) for entry in entries if entry.target is not None}
    ending = conversion.dataset_json["file_ending"]
    for folder in ("imagesTr", "labelsTr"):
        for name in content_of(conversion.out / folder):
            if name.endswith(ending) and f"{folder}/{name}" not in planned:
                raise ConversionError(
                    f"{conversion.out / folder / name} is not of this conversion, and nnU-Net would read it: remove "
                    "it, or choose another folder"
                )


def _json(content: object) -> str:
    return json.dumps(content, indent=1) + "\n"


def _write_text(file: Path, text: str) -> None:
    with output_errors(file), whole_file(file) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
