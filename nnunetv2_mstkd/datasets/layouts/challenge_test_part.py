"""The part of a challenge whose labels are not given out, and cases that lie in it by mistake (L1')."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.layouts.found_case import FoundCase
from nnunetv2_mstkd.datasets.layouts.recognition import is_excluded

_TRAINING = "training"  # in a case's name: it is none of the test part, wherever it lies


@dataclass(frozen=True)
class ChallengeTestPart:
    """Cases that need no label.

    Args:
        cases: that have none.
        warnings: where cases with a label lie among them, or in a folder that is called like theirs.
    """

    cases: tuple[FoundCase, ...]
    warnings: tuple[Problem, ...]


def challenge_test_part(cases: Iterable[FoundCase]) -> ChallengeTestPart:
    """Return the test part of a dataset, by the names of its folders and cases."""
    places: dict[str, list[FoundCase]] = defaultdict(list)
    for case in cases:
        place = _place(case)
        if place and not is_excluded(case.name, _TRAINING):
            places[place].append(case)
    unlabelled = [case for found in places.values() for case in found if case.label is None]
    return ChallengeTestPart(tuple(unlabelled), tuple(_warnings(places.items())))


def _place(case: FoundCase) -> str:
    """Return the topmost folder that is called like a test part, or the case that is; "" if it lies elsewhere."""
    paths = [file.path for file, _ in case.images]
    if not paths or not all(is_excluded(path, case.layout.test_part) for path in paths):
        return ""
    parts = paths[0].split("/")
    depth = next(i for i, part in enumerate(parts, start=1) if is_excluded(part, case.layout.test_part))
    return "/".join(parts[:depth]) if depth < len(parts) else case.name


def _warnings(places: Iterable[tuple[str, Sequence[FoundCase]]]) -> Iterator[Problem]:
    for place, cases in places:
        labelled = [case.name for case in cases if case.label is not None]
        if labelled:
            told = f"{len(labelled)} of {len(cases)} cases in it have a label map, such as {labelled[0]}"
            yield Problem("", f"{place} is called like a test part, but {told}: only these are taken. Is that right?")
