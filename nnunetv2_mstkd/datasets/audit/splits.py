"""Whether the splits of a dataset keep patients apart (L1')."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnunetv2_mstkd.datasets.audit.finding import Finding, some_of
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.given_splits import read_splits
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.splits_file import SPLITS_FILE, Splits, is_fold

_GROUP = (
    'keep all scans of a patient on one side of each fold: write splits_final.json, a list of {"train": [...], "val": '
    "[...]}, into the preprocessed dataset, or convert the source with mstkd convert, which does so"
)


def splits_files(folder: Path, given: Path | None) -> list[Path]:
    """Return the files to check: the given one, else those in the raw and in the preprocessed dataset that exist."""
    if given is not None:
        return [given]
    preprocessed = os.environ.get("nnUNet_preprocessed")  # noqa: SIM112  nnU-Net's own spelling
    places = [folder, *([Path(preprocessed) / folder.resolve().name] if preprocessed else [])]
    return [place / SPLITS_FILE for place in places if (place / SPLITS_FILE).is_file()]


def check_splits(splits: Mapping[Path, Splits | str], patients: Mapping[str, str]) -> list[Finding]:
    """Return what is wrong with splits, or with their absence.

    Args:
        splits: file -> its folds, or why it has none, of `read_folds`.
        patients: case -> patient, of all cases.
    """
    if splits:
        return [finding for file, folds in splits.items() for finding in _check_file(file, folds, patients)]
    scans = Counter(patients.values())
    several = [f"{patient} ({count} scans)" for patient, count in scans.items() if count > 1]
    if not several:
        return []
    told = f"there are several scans of {len(several)} of {counted(len(scans), 'patient')} ({some_of(several)})"
    return [
        Finding("warning", "splits", f"{told}, and no splits: nnU-Net will split by case and tear them apart; {_GROUP}")
    ]


def read_folds(file: Path, patients: Mapping[str, str]) -> Splits | str:
    """Return the folds of a splits_final.json, or of a CSV file as `mstkd convert` takes, or why there are none.

    Args:
        file: to read.
        patients: case -> patient, of all cases.
    """
    try:
        if file.suffix.lower() == ".csv":
            return read_splits(file, patients)[0]
        content = json.loads(file.read_text(encoding="utf-8"))
    except ConversionError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
    is_sound = isinstance(content, list) and content and all(map(is_fold, content))
    return content if is_sound else 'must be a list of {"train": [names], "val": [names]}, one per fold'


def _check_file(file: Path, folds: Splits | str, patients: Mapping[str, str]) -> Iterator[Finding]:
    if isinstance(folds, str):
        yield Finding("error", str(file), folds)
        return
    for number, fold in enumerate(folds):
        yield from _check_entries(f"{file}, fold {number}", fold)
    folds = [{side: [case for case in fold[side] if case.strip()] for side in ("train", "val")} for fold in folds]
    named = {case for fold in folds for case in (*fold["train"], *fold["val"])}
    if unknown := sorted(named - set(patients)):
        told = f"names {counted(len(unknown), 'case')} that the dataset does not have ({some_of(unknown)})"
        yield Finding("error", str(file), f"{told}: training would fail; correct the names")
    if left := sorted(set(patients) - named):
        told = f"no fold uses {len(left)} of {counted(len(patients), 'case')} ({some_of(left)})"
        yield Finding("warning", str(file), told)
    if len(folds) > 1:
        yield from _check_validation(str(file), folds)
    for number, fold in enumerate(folds):
        yield from _check_fold(f"{file}, fold {number}", fold, patients)


def _check_validation(subject: str, folds: Sequence[Mapping[str, list[str]]]) -> Iterator[Finding]:
    """Yield which cases a cross-validation would score otherwise than once."""
    count = Counter(case for fold in folds for case in set(fold["val"]))
    if several := sorted(case for case, folds_with in count.items() if folds_with > 1):
        told = f"several folds validate {counted(len(several), 'case')} ({some_of(several)})"
        yield Finding("warning", subject, f"{told}: in a cross-validation each counts more than once")
    if never := sorted({case for fold in folds for case in fold["train"]} - set(count)):
        told = f"no fold validates {counted(len(never), 'case')} ({some_of(never)})"
        yield Finding("warning", subject, f"{told}: in a cross-validation none of these counts")


def _check_entries(subject: str, fold: Mapping[str, list[str]]) -> Iterator[Finding]:
    for side in ("train", "val"):
        if not fold[side]:
            yield Finding("error", subject, f"{side} is empty: name its cases, or leave the fold out")
        if empty := [case for case in fold[side] if not case.strip()]:
            told = f"{side} holds {counted(len(empty), 'empty name')}, and training would fail"
            yield Finding("error", subject, f"{told}: remove what names no case")
        if doubled := sorted(case for case, count in Counter(fold[side]).items() if count > 1 and case.strip()):
            told = f"{side} names {counted(len(doubled), 'case')} more than once ({some_of(doubled)})"
            yield Finding("error", subject, f"{told}: name each once")


def _check_fold(subject: str, fold: Mapping[str, list[str]], patients: Mapping[str, str]) -> Iterator[Finding]:
    both = sorted(set(fold["train"]) & set(fold["val"]))
    if both:
        told = f"train and val both have {counted(len(both), 'case')} ({some_of(both)}): leave each on one side"
        yield Finding("error", subject, told)
    sides: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"train": [], "val": []})
    for side in ("train", "val"):
        for case in sorted(set(fold[side]) - set(both)):
            sides[patients.get(case, case)][side].append(case)
    torn = [f"{s['train'][0]} trains, {s['val'][0]} validates" for s in sides.values() if s["train"] and s["val"]]
    if torn:
        validating = len({patients.get(case, case) for case in fold["val"]})
        of_all = counted(validating, "validation patient")
        told = f"scans of {len(torn)} of {of_all} are trained on as well ({some_of(torn)})"
        yield Finding("error", subject, f"{told}: the scores are too good; {_GROUP}")
