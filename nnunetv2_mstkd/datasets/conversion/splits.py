"""splits_final.json: given, by institution, or made (L1')."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_mstkd.datasets.conversion.check import CheckedDataset
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.given_splits import partition_splits, read_splits
from nnunetv2_mstkd.datasets.conversion.grouped_folds import grouped_folds
from nnunetv2_mstkd.datasets.conversion.options import FOLDS, ConversionOptions
from nnunetv2_mstkd.datasets.layouts.source import SourceCase, SourceDataset
from nnunetv2_mstkd.splits_file import Splits

_GROUPED = "grouped by patient"
_SHOWN = 3


@dataclass(frozen=True)
class ChosenSplits:
    """The folds of a dataset.

    Args:
        folds: of splits_final.json.
        told: where they come from, for people.
        warnings: what should be known of them.
    """

    folds: Splits
    told: str
    warnings: tuple[str, ...] = ()


def choose_splits(checked: CheckedDataset, options: ConversionOptions) -> ChosenSplits:
    """Return the splits that the options ask for.

    Raises:
        ConversionError: if they cannot be had.
    """
    left_out = {problem.case for problem in checked.excluded}
    chosen = _chosen(checked.patients, checked.incomplete, left_out, checked.source.partitions, options)
    return _with_count(_with_untold(chosen, [report.case for report in checked.reports]))


def require_splits(source: SourceDataset, options: ConversionOptions) -> None:
    """Check, by the names of cases and patients alone, whether the splits that the options ask for can be had.

    Raises:
        ConversionError: if they cannot, whichever cases will be left out.
    """
    faulty = {problem.case for problem in source.problems}
    patients = {case.name: case.patient for case in source.cases if not (options.skip_faulty and case.name in faulty)}
    part_of = source.partitions.get(options.partition or "", {})
    if options.skip_faulty and part_of:  # a patient that the partition lacks may turn out to have no sound case
        patients = {case: patient for case, patient in patients.items() if patient in part_of} or patients
    _chosen(patients, (), faulty - set(patients), source.partitions, options)


def _chosen(
    patients: Mapping[str, str],
    incomplete: Collection[str],
    left_out: Collection[str],
    partitions: Mapping[str, Mapping[str, str]],
    options: ConversionOptions,
) -> ChosenSplits:
    if options.splits is not None:
        folds, unused = read_splits(options.splits, patients, left_out)
        return ChosenSplits(folds, f"from {options.splits.name}", tuple(unused))
    if options.partition is not None:
        folds, parts = partition_splits(options.partition, partitions, patients)
        return ChosenSplits(folds, f"{options.partition}, one part left out of each: {', '.join(parts)}")
    return ChosenSplits(grouped_folds(patients, incomplete, options.folds), _GROUPED)


def _with_untold(chosen: ChosenSplits, cases: Sequence[SourceCase]) -> ChosenSplits:
    """Return the splits with a warning of the cases whose patients nothing tells."""
    untold = [case.name for case in cases if not case.is_patient_told]
    if not untold:
        return chosen
    names = ", ".join(untold[:_SHOWN]) + (", ..." if len(untold) > _SHOWN else "")
    warning = (
        f"nothing tells the patients of {counted(len(untold), 'case')} ({names}): each counts as a patient of its own. "
        "If patients have several scans, folds can train on one and validate with another: give --patient, or "
        "{patient} in --images"
    )
    by_case = "by case" if len(untold) == len(cases) else f"{_GROUPED} where patients are told, else by case"
    told = by_case if chosen.told == _GROUPED else chosen.told
    return ChosenSplits(chosen.folds, told, (*chosen.warnings, warning))


def _with_count(chosen: ChosenSplits) -> ChosenSplits:
    count = len(chosen.folds)
    if count >= FOLDS:
        return chosen
    warning = f"fold {count - 1} is the last: for a higher one, nnU-Net would split at random, by case"
    return ChosenSplits(chosen.folds, chosen.told, (*chosen.warnings, warning))
