"""Which label set a whole dataset has, where names do not tell, and which of its cases contradict it (L1')."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.datasets.conversion.case_report import CaseReport
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.layouts.ambiguity import settle
from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.source import SourceDataset
from nnunetv2_mstkd.errors import ConversionError

RARE = 5  # a value that fewer than one case in so many has is too rare to tell what a whole dataset is

_Holders = Mapping[int, Sequence[str]]  # value -> the cases that have it


def choose_label_set(source: SourceDataset, reports: Sequence[CaseReport]) -> tuple[SourceDataset, tuple[Problem, ...]]:
    """Return the source with its label set known, and what stands against it.

    A value that few cases have does not say what all are. It may be of an odd label map, or of another year's: then it
    is a problem of these cases, and the others decide without them.

    Args:
        source: as it was scanned; with a label set, it is returned as it is.
        reports: of cases without another problem.

    Returns:
        The source, without a label set where nothing decides, and the problems: of odd cases, or of the whole.
    """
    if source.label_set is not None or not reports:
        return source, ()
    holders = _holders(reports)
    try:
        settled = settle(source, holders)
    except ConversionError as error:
        spoiling = _spoiling(source, holders, len(reports))
        others = ", ".join(str(value) for value in sorted(set(holders) - set(spoiling)))
        odd = {
            value: f"the value {value} is in {len(holders[value])} of {counted(len(reports), 'case')} only, and fits "
            f"no label set that the values of the others ({others}) can have: mend this label map, or leave it out "
            f"with --skip-faulty; if it is right, say what all values mean with --labels"
            for value in spoiling
        }
        if not odd:
            return source, (Problem("", f"{error}{_rare_ones(holders, len(reports))}"),)
    else:
        odd = _deciding(source, settled, holders, len(reports))
        if not odd:
            return settled, ()
    problems = tuple(Problem(name, told) for value, told in sorted(odd.items()) for name in holders[value])
    names = {problem.case for problem in problems}
    settled, more = choose_label_set(source, [report for report in reports if report.case.name not in names])
    return settled, (*problems, *more)


def told_labels(label_set: LabelSet | None) -> str:
    """Return a label set as `--labels` takes it: "1=NCR,2=ED"."""
    meanings = label_set.meanings if label_set else {}
    return ",".join(f"{value}={meaning}" for value, meaning in sorted(meanings.items()))


def _holders(reports: Sequence[CaseReport]) -> dict[int, list[str]]:
    holders: dict[int, list[str]] = defaultdict(list)
    for report in reports:
        for value in report.label.values if report.label else ():
            holders[value].append(report.case.name)
    return dict(holders)


def _spoiling(source: SourceDataset, holders: _Holders, count: int) -> list[int]:
    """Return the rare values without which the others can be read; none where these cannot be read either."""
    rare = [value for value, names in holders.items() if len(names) * RARE < count or len(names) == 1 < count]
    kept = set(holders) - set(rare)
    if not _is_readable(source, kept):
        return []
    spoiling = []
    for value in sorted(rare, key=lambda value: (-len(holders[value]), value)):
        if _is_readable(source, kept | {value}):
            kept.add(value)
        else:
            spoiling.append(value)
    return spoiling


def _is_readable(source: SourceDataset, values: Iterable[int]) -> bool:
    try:
        settle(source, values)
    except ConversionError:
        return False
    return True


def _deciding(source: SourceDataset, settled: SourceDataset, holders: _Holders, count: int) -> dict[int, str]:
    """Return the values by which alone the dataset is what it is, though few cases have them, or none in full.

    The enhancing tumour is 3 in some datasets and 4 in others, so that a 4 that never stands beside a 3 may be one.
    """
    odd = {}
    for value, names in holders.items():
        known = settled.label_set.values if settled.label_set else ()
        below = max((number for number in known if number < value), default=0)
        beside = set(names) & set(holders.get(below, ())) if below else set(names)
        if beside and len(names) * RARE >= count:
            continue
        without = set(holders) - {value}
        if _is_readable(source, without) and settle(source, without).label_set != settled.label_set:
            labels = told_labels(settled.label_set)
            option = f"--layout {settled.layout}" if source.readings else f'--labels "{labels}"'
            odd[value] = (
                f"the value {value} makes the labels of all cases {labels} ({settled.title}), but it is in only "
                f"{len(names)} of {counted(count, 'case')}, in {len(beside)} of them beside {below}. If these are "
                f"right, say so with {option}; else mend their labels"
            )
    return odd


def _rare_ones(holders: _Holders, count: int) -> str:
    """Return which values a single case has, as the end of a message."""
    told = [f"{value} occurs in {names[0]} only" for value, names in sorted(holders.items()) if len(names) == 1 < count]
    return f". {', '.join(told)}" if told else ""
