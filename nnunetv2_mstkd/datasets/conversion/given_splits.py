"""Splits that are given: a file, or a partition that came with the source (L1')."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.grouped_folds import splits_from_parts
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.splits_file import Splits, is_fold

_FORMS = (
    'a JSON file as nnU-Net\'s: [{"train": [cases], "val": [cases]}, ...]; or a CSV file with the columns case,fold'
)
_SHOWN = 5


def read_splits(file: Path, patients: Mapping[str, str], left_out: Collection[str] = ()) -> tuple[Splits, list[str]]:
    """Read and check splits.

    Args:
        file: JSON, as splits_final.json; or CSV: the fold in which each case is for validation.
        patients: case -> patient, of the dataset.
        left_out: cases that were left out of the dataset: the splits may name them.

    Returns:
        The splits, and warnings: about cases that a fold uses for nothing.

    Raises:
        ConversionError: if the file cannot be read, an entry is empty, doubled or unknown, a case is validated twice,
            or a case or patient is on both sides of a fold. The message lists what is wrong, with lines or entries.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        is_csv = file.suffix.lower() == ".csv"
        splits = _from_csv(text, {*patients, *left_out}) if is_csv else _from_json(text)
    except (OSError, ValueError, csv.Error) as error:  # ConversionError is a ValueError, as those of JSON and UTF-8 are
        raise ConversionError(f"{file} cannot be used as splits: {error}") from error
    faults = [f"fold {number}: {fault}" for number, fold in enumerate(splits) for fault in _entry_faults(fold)]
    known = [{side: [c for c in cases if c not in left_out] for side, cases in fold.items()} for fold in splits]
    faults += [f"fold {number}: {fault}" for number, fold in enumerate(known) for fault in _faults(fold, patients)]
    faults += _validated_again(known)
    if faults:
        raise ConversionError(f"{file} cannot be used as splits:" + "".join(f"\n  {fault}" for fault in faults))
    return known, list(_unused(known, patients))


def partition_splits(
    name: str, partitions: Mapping[str, Mapping[str, str]], patients: Mapping[str, str]
) -> tuple[Splits, list[str]]:
    """Return a fold per part of a partition, as one per institution that is left out of the training.

    Args:
        name: of the partition.
        partitions: of the source: name -> patient -> part.
        patients: case -> patient, of the dataset.

    Returns:
        The splits, and the part that each fold validates with.

    Raises:
        ConversionError: if there is no such partition, it lacks a patient, or has one part only.
    """
    if name not in partitions:
        there = ", ".join(sorted(partitions)) or "none: FeTS has them in partitioning_1.csv and partitioning_2.csv"
        raise ConversionError(f"The source has no partition {name!r}. Its partitions are {there}")
    part_of = partitions[name]
    missing = sorted({patient for patient in patients.values() if patient not in part_of})
    if missing:
        raise ConversionError(f"The partition {name!r} lacks {_listed(missing, 'patient')}")
    parts = sorted({part_of[patient] for patient in patients.values()}, key=_natural)
    if len(parts) < 2:
        raise ConversionError(f"All patients are in part {parts[0]!r} of {name!r}: nobody is left to train with")
    return splits_from_parts({case: parts.index(part_of[patient]) for case, patient in patients.items()}), parts


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Key by which "2" comes before "10"."""
    return [(0, int(t), "") if t.isdecimal() else (1, 0, t) for t in re.findall(r"\d+|\D+", text)]


# reading ------------------------------------------------------------------------------------------------------------


def _from_json(text: str) -> Splits:
    content = json.loads(text)
    if not isinstance(content, list) or not content or not all(map(is_fold, content)):
        raise ConversionError(f"it must be {_FORMS}")
    return [{side: fold[side] for side in ("train", "val")} for fold in content]


def _from_csv(text: str, cases: Collection[str]) -> Splits:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    if not {"case", "fold"} <= set(reader.fieldnames or ()):
        raise ConversionError(f"it must be {_FORMS}")
    parts: dict[str, int] = {}
    lines: dict[str, int] = {}
    faults = []
    for row in reader:
        case, fold, line = (row["case"] or "").strip(), (row["fold"] or "").strip(), reader.line_num
        if not case or not fold.isdecimal():
            faults.append(f"line {line} has the case {case!r} and the fold {fold!r}: it must be a case, and 0, 1, ...")
        elif case in lines:
            faults.append(f"line {line} names {case!r} again, after line {lines[case]}: a case is validated once")
        elif case not in cases:
            faults.append(f"line {line} names {case!r}, which the dataset does not have; it has {min(cases)!r}")
        else:
            parts[case] = int(fold)
        lines.setdefault(case, line)
    if faults:
        raise ConversionError("".join(f"\n  {fault}" for fault in faults))
    folds = sorted(set(parts.values()))
    if not parts or folds != list(range(len(folds))):
        raise ConversionError(f"its folds are {folds}: they must be 0, 1, ... without a gap")
    return splits_from_parts(parts)


# checking -----------------------------------------------------------------------------------------------------------


def _entry_faults(fold: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the entries of a JSON file that name nothing, or the same again; they are counted from 1."""
    for side, cases in fold.items():
        first: dict[str, int] = {}
        for entry, case in enumerate(cases, 1):
            if not case.strip():
                yield f"entry {entry} of {side} is empty"
            elif case in first:
                yield f"entry {entry} of {side} names {case!r} again, after entry {first[case]}"
            first.setdefault(case, entry)


def _validated_again(splits: Splits) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, fold in enumerate(splits):
        if again := sorted({case for case in fold["val"] if case in first}):
            earlier = ", ".join(map(str, sorted({first[case] for case in again})))
            yield f"fold {number}: val names {_listed(again)} that fold {earlier} validates: a case is validated once"
        for case in fold["val"]:
            first.setdefault(case, number)


def _faults(fold: Mapping[str, list[str]], patients: Mapping[str, str]) -> Iterator[str]:
    for side, cases in fold.items():
        if not cases:
            yield f"{side} is empty"
        if unknown := sorted(case for case in set(cases) - set(patients) if case.strip()):
            yield f"{side} names {_listed(unknown)} that the dataset does not have, such as {min(patients)!r}"
    train, val = set(fold["train"]), set(fold["val"])
    if both := sorted(train & val):
        yield f"{_listed(both)} in train and in val"
    sides = [{patients[case] for case in cases if case in patients} for cases in (train - val, val - train)]
    if leaking := sorted(sides[0] & sides[1]):
        yield f"{_listed(leaking, 'patient')} with scans in train and in val: the validation would know them"


def _unused(splits: Splits, patients: Mapping[str, str]) -> Iterator[str]:
    for number, fold in enumerate(splits):
        used = {*fold["train"], *fold["val"]}
        if unused := sorted(set(patients) - used):
            yield f"fold {number} uses {_listed(unused)} neither for training nor for validation"
            kin = sorted({patients[case] for case in unused} & {patients[case] for case in used})
            if kin:
                yield f"fold {number} uses other scans of {_listed(kin, 'patient')}: do not test with what is left"


def _listed(names: Collection[str], what: str = "case") -> str:
    shown = ", ".join(list(names)[:_SHOWN])
    return f"{counted(len(names), what)} ({shown}{', ...' if len(names) > _SHOWN else ''})"
