"""Tables in which BIDS tells what the values of label maps mean (L1')."""

import csv
import io
import itertools
from collections.abc import Iterable
from pathlib import Path

from nnunetv2_mstkd.datasets.layouts.inherited_files import InheritedFiles
from nnunetv2_mstkd.datasets.layouts.label_names import label_set_from_names
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.errors import ConversionError


def label_set_of_tables(labels: Iterable[Path], files: Iterable[Path]) -> LabelSet | None:
    """Return what the label maps' tables say; None if no label map has one.

    The nearest table of a label map counts.

    Args:
        labels: label maps.
        files: of the dataset; those that are no tables are passed over.

    Raises:
        ConversionError: if a table cannot be read, or label maps have different ones.
    """
    tables = InheritedFiles(files, "dseg.tsv")
    chosen = {label: next(iter(tables.of(label)), None) for label in labels}
    sets = {table: read_dseg_table(table) for table in sorted({table for table in chosen.values() if table})}
    without = [label for label, table in chosen.items() if table is None]
    if sets and without:
        raise ConversionError(f"{without[0]} has no dseg.tsv, others have: say what labels mean with --labels")
    for a, b in itertools.pairwise(sets):
        if sets[a] != sets[b]:
            raise ConversionError(f"{a} and {b} differ in what labels mean: {sets[a].meanings} and {sets[b].meanings}")
    return next(iter(sets.values()), None)


def read_dseg_table(file: Path) -> LabelSet:
    """Return what a table says.

    Args:
        file: with tabs between the columns, of which `index` and `name` count.

    Raises:
        ConversionError: if it cannot be read; the message has the line.
    """
    try:
        reader = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""), delimiter="\t")
        rows = list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise ConversionError(f"{file} cannot be read: {error}") from error
    if not {"index", "name"} <= set(reader.fieldnames or ()):
        raise ConversionError(f"{file} must have the columns index and name; it has {reader.fieldnames}")
    names: dict[int, str] = {}
    for number, row in enumerate(rows, start=2):
        index, name = (row["index"] or "").strip(), (row["name"] or "").strip()
        if not index.isdecimal() or not name or int(index) in names:
            raise ConversionError(f"{file}, line {number}: {index!r} is no whole number, or doubled; name {name!r}")
        names[int(index)] = name
    return label_set_from_names(names, f"The labels of {file}")
