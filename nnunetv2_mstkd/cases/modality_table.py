"""Tables that say which modalities of a case to use, and restrictions for all cases alike (L1')."""

import csv
import difflib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.errors import CaseError, ModalityError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset

ModalityTable = Mapping[str, ModalitySubset]
_FLAGS = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
_Row = tuple[str, str, str | list[str]]  # where it stands, case, modalities


def read_modality_table(file: Path, modalities: Modalities) -> dict[str, ModalitySubset]:
    """Read a table.

    Args:
        file: CSV with the header `case,modalities` (names or aliases separated by "+", commas or spaces, or a 0 or 1
            for each channel), or `case` and a column for each modality (1/0, yes/no, true/false); or JSON,
            {"case": "T1ce,FLAIR"} or {"case": ["T1ce", "FLAIR"]}.
        modalities: of the model.

    Returns:
        Case -> what to use of it.

    Raises:
        CaseError: if the file cannot be read; the message has the line and the value.
    """
    readers = {".csv": _csv_rows, ".json": _json_rows}
    if file.suffix.lower() not in readers:
        raise CaseError(f"{file}: a modality table is a .csv or a .json file")
    table: dict[str, ModalitySubset] = {}
    try:
        text = file.read_text(encoding="utf-8-sig")  # spreadsheets begin a CSV with a byte order mark
        for where, case, names in readers[file.suffix.lower()](text, modalities):
            if case in table:
                raise CaseError(f"{where}: the case {case!r} is there twice")
            table[case] = _located(where, names, modalities)
    except (OSError, ValueError, csv.Error) as error:  # CaseError is a ValueError, and so are those of JSON and UTF-8
        raise CaseError(f"{file}: {error}") from error
    return table


def apply_modality_table(cases: Sequence[Case], table: ModalityTable) -> tuple[list[Case], list[Problem]]:
    """Return the cases without what the table leaves out, and what does not fit the table.

    A case without a row, a row without a case, and a modality in a row whose file is not there are problems.
    """
    kept: list[Case] = []
    problems = []
    for case in cases:
        wanted = table.get(case.name)
        if wanted is None:
            problems.append(Problem(case.name, f"the modality table has no row for it{_hint(case.name, table)}"))
            continue
        missing = [n for c, n in zip(wanted.channels, wanted.names, strict=True) if c not in case.sources]
        if missing:
            has = case.subset(wanted.modalities)
            problems.append(Problem(case.name, f"the modality table asks for {'+'.join(missing)}, but it has {has}"))
        else:
            kept.append(case.restricted(wanted))
    names = {case.name for case in cases}
    for name in table.keys() - names:
        problems.append(
            Problem(name, f"is in the modality table, but is no sound case of the folder{_hint(name, names)}")
        )
    return kept, sorted(problems, key=lambda problem: problem.case)


def restrict_cases(cases: Sequence[Case], subset: ModalitySubset) -> tuple[list[Case], list[Problem]]:
    """Return the cases without what is not in `subset`, and a problem for each that has nothing of it."""
    kept: list[Case] = []
    problems = []
    for case in cases:
        if any(subset.present[channel] for channel in case.sources):
            kept.append(case.restricted(subset))
        else:
            problems.append(Problem(case.name, f"has {case.subset(subset.modalities)}, and nothing of {subset}"))
    return kept, problems


def _csv_rows(text: str, modalities: Modalities) -> Iterator[_Row]:
    # a spreadsheet writes semicolons where the comma is the decimal point
    delimiter = next((d for d in ",;\t" if d in text.partition("\n")[0]), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [cell.strip() for cell in next(reader, [])]
    if len(header) < 2 or header[0].lower() != "case":
        raise CaseError(f"the header is {','.join(header)!r}; it must be 'case,modalities', or 'case' and modalities")
    columns = [] if [cell.lower() for cell in header] == ["case", "modalities"] else _columns(header[1:], modalities)
    for cells in reader:
        row, where = [cell.strip() for cell in cells], f"line {reader.line_num}"
        if not any(row):
            continue
        if len(row) != len(header):
            raise CaseError(f"{where}: {len(header)} fields are needed, but {row} has {len(row)}; within a field use +")
        yield where, row[0], _flagged(where, row[1:], columns) if columns else row[1]


def _columns(header: Sequence[str], modalities: Modalities) -> list[str]:
    """Return the modality of each column."""
    try:
        names = [modalities.names[modalities.channel(cell)] for cell in header]
    except ModalityError as error:
        raise CaseError(f"the header: {error}") from error
    if len(set(names)) < len(names):
        raise CaseError(f"the header names a modality twice: {','.join(header)!r}")
    return names


def _flagged(where: str, row: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return the modalities whose field says yes."""
    for value, name in zip(row, columns, strict=True):
        if value.lower() not in _FLAGS:
            raise CaseError(f"{where}, column {name}: {value!r} is none of {', '.join(_FLAGS)}")
    return [name for value, name in zip(row, columns, strict=True) if _FLAGS[value.lower()]]


def _json_rows(text: str, _: Modalities) -> Iterator[_Row]:
    content: Any = json.loads(text, object_pairs_hook=tuple)  # pairs, as a dict would drop a case that is there twice
    if not isinstance(content, tuple):
        raise CaseError('it must be an object: {"case": ["T1ce", "FLAIR"]}')
    for case, names in content:
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not (is_list or isinstance(names, str)):
            raise CaseError(f"case {case!r}: {names!r} must be text or a list of names")
        yield f"case {case!r}", case, names


def _located(where: str, names: str | list[str], modalities: Modalities) -> ModalitySubset:
    try:
        return _subset_of_text(names, modalities) if isinstance(names, str) else _subset_of_names(names, modalities)
    except ModalityError as error:
        raise CaseError(f"{where}: {error}") from error


def _subset_of_names(names: Sequence[str], modalities: Modalities) -> ModalitySubset:
    channels = [modalities.channel(name) for name in names]
    if len(set(channels)) < len(channels):
        raise ModalityError(f"{names} names a modality twice")
    return ModalitySubset(modalities, tuple(channel in channels for channel in range(len(modalities))))


def _subset_of_text(text: str, modalities: Modalities) -> ModalitySubset:
    """Read "T1ce+FLAIR" or "T1ce FLAIR"; a space may also be in a name, as in "T1 ce"."""
    spaced = ",".join(text.split())
    if spaced == text:
        return modalities.subset(text)
    try:
        one_name = modalities.subset(text)
    except ModalityError:
        return modalities.subset(spaced)
    try:
        names = modalities.subset(spaced)
    except ModalityError:
        return one_name
    if names != one_name:
        raise ModalityError(f"{text!r} may be {one_name} or {names}: write it so, with +")
    return names


def _hint(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
