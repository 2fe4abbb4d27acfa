"""provenance.csv: where each file of the dataset comes from, and what was done with it (L1')."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.datasets.conversion.entry import Entry

PROVENANCE_FILE = "provenance.csv"
COLUMNS = ("case", "patient", "part", "action", "source", "volume", "sha256", "target", "note")


def provenance_table(
    folder: Path, cases: Sequence[Sequence[Entry]], excluded: Sequence[Problem], patients: Mapping[str, str]
) -> str:
    """Return the table as CSV: a line per file, then a line per problem of the cases that were left out.

    Args:
        folder: of the source, which files are named from.
        cases: the entries of each.
        excluded: problems of the cases that were left out.
        patients: case -> patient, as far as it is known.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(entry, folder) for entries in cases for entry in entries)
    writer.writerows(_excluded(excluded, patients))
    return text.getvalue()


def _row(entry: Entry, folder: Path) -> dict[str, str]:
    return {
        "case": entry.case,
        "patient": entry.patient,
        "part": entry.part,
        "action": entry.action,
        "source": _relative(entry.source.file, folder) if entry.source else "",
        "volume": str(entry.source.volume) if entry.source and entry.source.volume is not None else "",
        "sha256": entry.sha256,
        "target": str(entry.target) if entry.target else "",
        "note": printable(entry.note),
    }


def _relative(file: Path, folder: Path) -> str:
    """Return a name that does not tell whose computer this was, where that is possible."""
    return Path(os.path.relpath(os.path.abspath(file), os.path.abspath(folder))).as_posix()


def _excluded(problems: Sequence[Problem], patients: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for problem in sorted(problems, key=lambda problem: (problem.case, problem.message)):
        yield {
            "case": problem.case,
            "patient": patients.get(problem.case, ""),
            "action": "excluded",
            "note": printable(problem.message),
        }
