"""Everything that can be wrong with a dataset, found before anything is written (L1')."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.conversion.case_report import CaseReport, report_case
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.each_case import Progress, each_case, silent
from nnunetv2_mstkd.datasets.conversion.label_choice import choose_label_set, told_labels
from nnunetv2_mstkd.datasets.conversion.problem_list import problem_lines
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.source import SourceDataset
from nnunetv2_mstkd.errors import ConversionError
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class CheckedDataset:
    """A dataset that can be converted.

    Args:
        source: as it was scanned, with its layout settled where names alone do not tell.
        label_set: of the source.
        reports: of the cases that go into the dataset, by name.
        excluded: problems of the cases that do not.
        warnings: what should be known.
    """

    source: SourceDataset
    label_set: LabelSet
    reports: tuple[CaseReport, ...]
    excluded: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def patients(self) -> dict[str, str]:
        """Case -> patient."""
        return {report.case.name: report.case.patient for report in self.reports}

    @property
    def incomplete(self) -> tuple[str, ...]:
        """The cases that lack a modality."""
        count = len(self.source.modalities)
        return tuple(report.case.name for report in self.reports if len(report.case.images) < count)


def check_dataset(
    source: SourceDataset, *, skip_faulty: bool = False, workers: int = 1, progress: Progress = silent
) -> CheckedDataset:
    """Read every file of a dataset, and check each case, and the cases against each other.

    Args:
        source: as it was scanned.
        skip_faulty: leave out the cases that have a problem.
        workers: processes.
        progress: called after each case.

    Raises:
        ConversionError: if a case has a problem and is not to be left out, if the whole has one, or nothing is left.
            The message lists the problems, and how many there are.
    """
    report = partial(report_case, modalities=source.modalities)
    reports = tuple(each_case(report, source.cases, workers, "checked", progress))
    problems = [*source.problems, *_of_cases(source, reports), *_copies(reports)]
    source, of_labels = choose_label_set(source, _without(reports, problems))
    problems += [*of_labels, *_unknown_values(_without(reports, of_labels), source.label_set)]
    is_of_whole = any(not problem.case for problem in problems)
    if problems and (not skip_faulty or is_of_whole):
        raise ConversionError(_message(problems, may_skip=not is_of_whole))
    sound = _without(reports, problems)
    if not sound:
        raise ConversionError(_message(problems, may_skip=False) if problems else f"{source.folder} has no case")
    label_set = source.label_set or LabelSet({})
    known = {"", *(report.case.name for report in sound)}
    warnings = tuple(warning for warning in source.warnings if warning.case in known)
    warnings += (*_warnings(sound, source.modalities), *_never_seen(sound, label_set))
    return CheckedDataset(source, label_set, sound, tuple(problems), warnings)


def _without(reports: Iterable[CaseReport], problems: Iterable[Problem]) -> tuple[CaseReport, ...]:
    """Return the reports of the cases that none of the problems is about."""
    faulty = {problem.case for problem in problems}
    return tuple(report for report in reports if report.case.name not in faulty)


def _of_cases(source: SourceDataset, reports: Sequence[CaseReport]) -> Iterator[Problem]:
    known = {problem.case for problem in source.problems}
    for report in reports:
        yield from (Problem(report.case.name, message) for message in report.problems)
        if report.case.label is None and report.case.name not in known:
            yield Problem(report.case.name, "it has no label map")


def _unknown_values(reports: Sequence[CaseReport], label_set: LabelSet | None) -> Iterator[Problem]:
    """Yield the cases with values that the label set does not have; none while it is not known."""
    for report in reports if label_set else ():
        unknown = set(report.label.values) - set(label_set.values) if report.label and label_set else ()
        if unknown and report.case.label is not None:
            shown = ", ".join(map(str, sorted(unknown)))
            yield Problem(
                report.case.name,
                f"its label map {report.case.label.name} has {shown}, but the labels are {told_labels(label_set)}: "
                "is it of this layout? --layout names another one, --labels other labels",
            )


def _copies(reports: Sequence[CaseReport]) -> Iterator[Problem]:
    """Yield the cases that hold the same image: one patient twice, or a file in the wrong place."""
    holders: dict[str, list[CaseReport]] = defaultdict(list)
    for report in reports:
        for checksum in dict.fromkeys(report.voxels.values()):
            holders[checksum].append(report)
    told = set()
    for same in holders.values():
        for report in same if len(same) > 1 else ():
            others = ", ".join(other.case.name for other in same if other is not report)
            if (report.case.name, others) not in told:
                told.add((report.case.name, others))
                yield Problem(report.case.name, f"an image of it is that of {others}, voxel by voxel: whose is it?")


def _warnings(reports: Sequence[CaseReport], modalities: Modalities) -> Iterator[Problem]:
    same_label: dict[str, str] = {}
    for report in reports:
        yield from (Problem(report.case.name, warning) for warning in report.warnings)
        if report.label and report.label.values != (0,):
            other = same_label.setdefault(report.label.voxels, report.case.name)
            if other != report.case.name:
                yield Problem(report.case.name, f"its label map is that of {other}, voxel by voxel")
    for channel, name in enumerate(modalities):
        if not any(channel in report.case.images for report in reports):
            yield Problem("", f"no case has {name}: a model cannot learn from it")


def _never_seen(reports: Sequence[CaseReport], label_set: LabelSet) -> Iterator[Problem]:
    seen = {value for report in reports if report.label for value in report.label.values}
    for value, meaning in sorted(label_set.meanings.items()):
        if value not in seen:
            yield Problem("", f"no label map has the value {value} ({meaning})")


def _message(problems: Sequence[Problem], may_skip: bool) -> str:
    cases = len({problem.case for problem in problems if problem.case})
    where = f" in {counted(cases, 'case')}" if cases else ""
    shown = "".join(f"\n  {line}" for line in problem_lines(problems))
    hint = "\nMend them, or leave these cases out with --skip-faulty" if may_skip else ""
    return f"{counted(len(problems), 'problem')}{where}, so nothing was written:{shown}{hint}"
