"""What only the cases together show: copies, values, what is absent (L1')."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, read_availability
from nnunetv2_mstkd.datasets.audit.case_facts import CaseFacts
from nnunetv2_mstkd.datasets.audit.finding import Finding, some_of
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.declared_labels import declared_values
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.splits_file import Splits


def check_values(facts: Sequence[CaseFacts], dataset_json: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield which values of label maps dataset.json does not know, and which of its values never occur."""
    declared = declared_values(dataset_json)
    cases_with: dict[int, list[str]] = defaultdict(list)
    for case in facts:
        for value in case.values or ():
            cases_with[value].append(case.name)
    for value in sorted(set(cases_with) - set(declared)):
        cases = cases_with[value]
        told = f"the value {value} occurs in {counted(len(cases), 'case')} ({some_of(cases)}), but dataset.json has"
        known = ", ".join(map(str, declared))
        yield Finding("error", "labels", f"{told} {known} only: name it in 'labels', or correct the label maps")
    usable = [case for case in facts if case.values is not None]
    never = [value for value in declared if value not in cases_with]
    if never and usable:
        values = ", ".join(map(str, never))
        told = f"dataset.json has the value {values}, which no label map of {counted(len(usable), 'case')} has"
        yield Finding("warning", "labels", f"{told}: are the labels those of another dataset?")
    empty = [case.name for case in usable if case.values == (0,)]
    if empty:
        yield Finding(
            "warning", "labels", f"{counted(len(empty), 'empty label map')} ({some_of(empty)}): is that meant?"
        )


def check_copies(
    facts: Sequence[CaseFacts], modalities: Modalities, splits: Mapping[Path, Splits | str]
) -> Iterator[Finding]:
    """Yield which cases hold the same images: the voxels count, however the files are compressed."""
    holders: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for case in facts:
        for channel, digest in case.digests.items():
            holders[digest].append((case.name, channel))
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for found in holders.values():
        first, channel = found[0]
        for other, _ in found[1:]:
            if other != first:
                pairs[(first, other)].append(modalities.names[channel])
    for (first, other), names in sorted(pairs.items()):
        told = f"has the same image as {first} ({', '.join(names)})"
        yield Finding("error", other, f"{told}{_torn(first, other, splits)}: one patient twice? Remove or replace one")


def _torn(first: str, other: str, splits: Mapping[Path, Splits | str]) -> str:
    """Return in which folds one of two cases is trained on and the other validated with."""
    for file, folds in splits.items():
        torn = [
            str(number)
            for number, fold in enumerate(folds if isinstance(folds, list) else ())
            for train, val in ((first, other), (other, first))
            if train in fold["train"] and val in fold["val"]
        ]
        if torn:
            return f", and {file.name} trains on one and validates with the other in fold {', '.join(torn)}"
    return ""


def check_availability(facts: Sequence[CaseFacts], modalities: Modalities, folder: Path) -> Iterator[Finding]:
    """Yield which channels are empty, and where the table of what each case has says something else."""
    lacking = {name: [case.name for case in facts if c in case.empty] for c, name in enumerate(modalities)}
    lacking = {name: cases for name, cases in lacking.items() if cases}
    file = folder / AVAILABILITY_FILE
    if not file.is_file():
        if lacking:
            told = "; ".join(f"{name} in {len(cases)} ({some_of(cases)})" for name, cases in lacking.items())
            message = (
                f"channels are empty, of {counted(len(facts), 'case')}: {told}. They count as absent where we train"
            )
            yield Finding("warning", "incomplete cases", message)
        return
    try:
        table = read_availability(file, modalities)
    except CaseError as error:
        yield Finding("error", AVAILABILITY_FILE, str(error))
        return
    if missing := sorted({case.name for case in facts} - set(table.present)):
        yield Finding(
            "error", AVAILABILITY_FILE, f"lacks {counted(len(missing), 'case')} ({some_of(missing)}): add them"
        )
    for case in facts:
        subset = table.present.get(case.name)
        if subset and (set(subset.channels) & set(case.empty) or set(case.present) - set(subset.channels)):
            there = "+".join(modalities.names[channel] for channel in case.present) or "nothing"
            message = f"{AVAILABILITY_FILE} says {subset}, but its images hold {there}"
            yield Finding("error", case.name, f"{message}: correct the table, or restore the images")
