"""What a person should see of a conversion (L1')."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from nnunetv2_mstkd.datasets.conversion.check import CheckedDataset
from nnunetv2_mstkd.datasets.conversion.convert import Conversion
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.entry import Action
from nnunetv2_mstkd.datasets.conversion.problem_list import problem_lines

_ACTIONS: tuple[Action, ...] = get_args(Action)


def summary_lines(conversion: Conversion) -> Iterator[str]:
    """Yield the lines: layout, counts, what was passed over or is absent, labels, splits, and what should be known."""
    checked, availability = conversion.checked, conversion.availability
    source, cases = checked.source, len(checked.reports)
    yield f"{source.title} ({source.layout}): {counted(cases, 'case')}{_of_patients(checked)}"
    if source.ignored:
        yield f"passed over: {_ignored(source.ignored)}"
    if checked.excluded:
        left_out = sorted({problem.case for problem in checked.excluded})
        yield f"left out: {counted(len(left_out), 'case')}, listed in provenance.csv"
        yield from (f"  {line}" for line in problem_lines(checked.excluded))
    lacking = {name: cases - count for name, count in availability.counts().items() if count < cases}
    if lacking:
        told = ", ".join(f"{name} in {count}" for name, count in lacking.items())
        yield f"incomplete: {counted(len(checked.incomplete), 'case')}; absent are {told}"
    yield f"channels: {', '.join(source.modalities)}; files: {_actions(conversion)}"
    yield f"labels: {_labels(conversion)}"
    sizes = ", ".join(str(len(fold["val"])) for fold in conversion.splits.folds)
    yield f"folds: {conversion.splits.told}; {sizes} cases to validate with"
    yield from (f"warning: {line}" for line in problem_lines(checked.warnings))
    yield from (f"warning: {warning}" for warning in conversion.splits.warnings)


def next_command(conversion: Conversion) -> str:
    """Return what is typed next."""
    number = int(conversion.out.name[len("Dataset") :][:3])
    # the statistics of CT-like normalisations must not take zeros for data
    fingerprint = " -fpe MSTKDFingerprintExtractor" if conversion.checked.incomplete else ""
    return f"nnUNetv2_plan_and_preprocess -d {number} -c 3d_fullres{fingerprint}"


def _of_patients(checked: CheckedDataset) -> str:
    """Return how many patients there are; nothing where they are not told."""
    if not all(report.case.is_patient_told for report in checked.reports):
        return ""
    return f" of {counted(len(set(checked.patients.values())), 'patient')}"


def _ignored(ignored: Mapping[Path, str]) -> str:
    reasons = sorted(Counter(ignored.values()).items(), key=lambda item: (-item[1], item[0]))
    return f"{len(ignored)} ({', '.join(f'{reason}: {count}' for reason, count in reasons)})"


def _actions(conversion: Conversion) -> str:
    actions = [entry.action for entries in conversion.cases for entry in entries]
    return ", ".join(f"{actions.count(action)} {action}" for action in _ACTIONS if action in actions)


def _labels(conversion: Conversion) -> str:
    meanings, values = conversion.checked.label_set.meanings, conversion.labels.values
    told = ", ".join(f"{native} {meaning} -> {values[native]}" for native, meaning in sorted(meanings.items()))
    regions = conversion.labels.regions_class_order
    return told if regions is None else f"{told}; regions {', '.join(list(conversion.labels.labels)[1:])}"
