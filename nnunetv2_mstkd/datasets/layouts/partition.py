"""Given partitions of the patients, as FeTS has them by institution (L1')."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.errors import ConversionError

_PART, _SUBJECT = "Partition_ID", "Subject_ID"


def find_partitions(layout: Layout, files: Iterable[Path]) -> dict[str, Mapping[str, str]]:
    """Return the partitions that a dataset brings along: name of the file without ending -> patient -> part.

    Raises:
        ConversionError: if a file cannot be read, or two of the same name differ.
    """
    found: dict[str, Mapping[str, str]] = {}
    for file in files:
        if file.name not in layout.partitions:
            continue
        partition = read_partition(file, layout)
        if found.setdefault(file.stem, partition) != partition:
            raise ConversionError(f"There are several files {file.name}, and they differ; {file} is one. Keep one")
    return found


def read_partition(file: Path, layout: Layout) -> dict[str, str]:
    """Return patient -> part.

    Raises:
        ConversionError: if the columns are not there, or a patient is in two parts; the message has the line.
    """
    try:
        reader = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""))
        rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise ConversionError(f"{file} cannot be read: {error}") from error
    if not {_PART, _SUBJECT} <= set(reader.fieldnames or ()):
        raise ConversionError(f"{file} must have the columns {_PART} and {_SUBJECT}; it has {reader.fieldnames}")
    parts: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        part, subject = (row[_PART] or "").strip(), (row[_SUBJECT] or "").strip()
        if not part or not subject:
            raise ConversionError(f"{file}, line {number}: the part ({part!r}) or the subject ({subject!r}) is empty")
        patient = layout.patient_of(subject) or subject
        if parts.setdefault(patient, part) != part:
            raise ConversionError(f"{file}, line {number}: {patient} is in part {parts[patient]} and in {part}")
    return parts
