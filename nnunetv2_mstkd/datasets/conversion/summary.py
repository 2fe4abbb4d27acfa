"""What a person should see of a conversion (L1')."""

from collections.abc import Iterator

from nnunetv2_mstkd.datasets.conversion.convert import Conversion
from nnunetv2_mstkd.datasets.conversion.entry import Action

MAX_WARNINGS = 20
_ACTIONS: tuple[Action, ...] = ("linked", "symlinked", "copied", "written", "relabelled", "absent")


def summary_lines(conversion: Conversion) -> Iterator[str]:
    """Yield the lines: layout, counts, what is absent, labels, splits, and what should be known."""
    checked, availability = conversion.checked, conversion.availability
    source, cases = checked.source, len(checked.reports)
    yield f"{source.title} ({source.layout}): {cases} cases of {len(set(checked.patients.values()))} patients"
    if checked.excluded:
        left_out = sorted({problem.case for problem in checked.excluded})
        yield f"left out: {len(left_out)} cases, listed in provenance.csv"
        yield from _first([f"  {problem}" for problem in checked.excluded])
    lacking = {name: cases - count for name, count in availability.counts().items() if count < cases}
    if lacking:
        told = ", ".join(f"{name} in {count}" for name, count in lacking.items())
        yield f"incomplete: {len(checked.incomplete)} cases; absent are {told}"
    yield f"channels: {', '.join(source.modalities)}; files: {_actions(conversion)}"
    yield f"labels: {_labels(conversion)}"
    sizes = ", ".join(str(len(fold["val"])) for fold in conversion.splits.folds)
    yield f"folds: {conversion.splits.told}; {sizes} cases to validate with"
    yield from _first([f"warning: {warning}" for warning in (*checked.warnings, *conversion.splits.warnings)])


def next_command(conversion: Conversion) -> str:
    """Return what is typed next."""
    number = int(conversion.out.name[len("Dataset") :][:3])
    # the statistics of CT-like normalisations must not take zeros for data
    fingerprint = " -fpe MSTKDFingerprintExtractor" if conversion.checked.incomplete else ""
    return f"nnUNetv2_plan_and_preprocess -d {number} -c 3d_fullres{fingerprint}"


def _actions(conversion: Conversion) -> str:
    actions = [entry.action for entries in conversion.cases for entry in entries]
    return ", ".join(f"{actions.count(action)} {action}" for action in _ACTIONS if action in actions)


def _labels(conversion: Conversion) -> str:
    meanings, values = conversion.checked.label_set.meanings, conversion.labels.values
    told = ", ".join(f"{native} {meaning} -> {values[native]}" for native, meaning in sorted(meanings.items()))
    regions = conversion.labels.regions_class_order
    return told if regions is None else f"{told}; regions {', '.join(list(conversion.labels.labels)[1:])}"


def _first(lines: list[str]) -> Iterator[str]:
    yield from lines[:MAX_WARNINGS]
    if len(lines) > MAX_WARNINGS:
        yield f"  ... and {len(lines) - MAX_WARNINGS} more such lines"
