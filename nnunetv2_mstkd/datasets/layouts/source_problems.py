"""What is wrong with the cases of a dataset, as far as names tell (L1')."""

import re
from collections.abc import Iterator, Mapping, Sequence

from nnunetv2_mstkd.cases.case_fault import faults_among
from nnunetv2_mstkd.cases.naming import SEPARATORS
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.layouts.found_case import FoundCase
from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.datasets.layouts.path_pattern import PathPattern
from nnunetv2_mstkd.datasets.layouts.recognition import is_excluded
from nnunetv2_mstkd.datasets.layouts.source_files import SourceFile
from nnunetv2_mstkd.sequence_name import known_sequence


def problems_of(
    layout: Layout, cases: Mapping[str, FoundCase], unmatched: Sequence[SourceFile], folders: Sequence[str]
) -> Iterator[Problem]:
    """Yield what is wrong with cases, and with what seems to belong to them.

    Args:
        layout: of the dataset.
        cases: by name.
        unmatched: files that no pattern fits.
        folders: that may be a case's, relative to the dataset.
    """
    for name, case in cases.items():
        if not case.images:
            label = case.label
            yield Problem(
                name, f"it has a label map, {label[1].file if label else ''}, but no image of {_called(case)}"
            )
            continue
        for fault in case.faults():
            yield Problem(name, fault)
    files = {name: case.case_files() for name, case in cases.items() if case.images}
    for name, fault in faults_among(files):
        yield Problem(name, fault)
    yield from _misnamed(cases, unmatched)
    yield from _empty_folders(layout, cases, folders)


def _called(case: FoundCase) -> str:
    """Return how the images of a case are called, for messages."""
    return case.layout.images.replace("{case}", case.name)


def _misnamed(cases: Mapping[str, FoundCase], unmatched: Sequence[SourceFile]) -> Iterator[Problem]:
    """Files beside the images of an incomplete case that are called like a sequence in another spelling."""
    incomplete: dict[str, list[FoundCase]] = {}
    for case in cases.values():
        if case.images and len(case.channels) < len(case.layout.modalities):
            for folder in case.folders:
                incomplete.setdefault(folder, []).append(case)
    for file in unmatched:
        for case in incomplete.get(file.folder, ()):
            sequence = _sequence(file.stem.removeprefix(case.name)) if file.stem.startswith(case.name) else None
            fitting = case.layout.modalities.fitting(sequence) if sequence else ()
            if fitting and fitting[0] not in case.channels:
                yield Problem(case.name, f"it has no {sequence}, but {file.file.name} is called like one: rename it")


def _sequence(text: str) -> str | None:
    """Return the sequence that the end of a name stands for."""
    tokens = [token for token in re.split(f"[{re.escape(SEPARATORS)}]", text) if token]
    return next(filter(None, (known_sequence("".join(tokens[i:])) for i in range(len(tokens)))), None)


def _empty_folders(layout: Layout, cases: Mapping[str, FoundCase], folders: Sequence[str]) -> Iterator[Problem]:
    """Folders that are called like a case, and have no image of it."""
    if not layout.case_folder:
        return
    pattern = PathPattern(layout.case_folder, {"case": layout.case}, ignore_case=layout.ignore_case)
    known = {name.casefold() for name in cases}
    for folder in folders:
        match = pattern.match(folder.rpartition("/")[2])
        is_passed_over = is_excluded(f"{folder}/", layout.excluded) or is_excluded(folder, layout.test_part)
        if match and not is_passed_over and match.values["case"].casefold() not in known:
            yield Problem(match.values["case"], f"the folder {folder} has no image of the layout {layout.name!r}")
