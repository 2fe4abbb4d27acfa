"""splits_final.json: given, by institution, or made (L1')."""

from dataclasses import dataclass

from nnunetv2_mstkd.datasets.conversion.check import CheckedDataset
from nnunetv2_mstkd.datasets.conversion.given_splits import partition_splits, read_splits
from nnunetv2_mstkd.datasets.conversion.grouped_folds import Splits, grouped_folds
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions

SPLITS_FILE = "splits_final.json"
NNUNET_FOLDS = 5  # what people train without a look at the splits


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
    patients = checked.patients
    if options.splits is not None:
        folds, unused = read_splits(options.splits, patients, {problem.case for problem in checked.excluded})
        chosen = ChosenSplits(folds, f"from {options.splits.name}", tuple(unused))
    elif options.partition is not None:
        folds, parts = partition_splits(options.partition, checked.source.partitions, patients)
        chosen = ChosenSplits(folds, f"{options.partition}, one part left out of each: {', '.join(parts)}")
    else:
        folds = grouped_folds(patients, checked.incomplete, options.folds)
        chosen = ChosenSplits(folds, "grouped by patient")
    return _with_count(chosen)


def _with_count(chosen: ChosenSplits) -> ChosenSplits:
    count = len(chosen.folds)
    if count >= NNUNET_FOLDS:
        return chosen
    warning = f"there are {count} folds, 0 to {count - 1}: for any other, nnU-Net would split at random, by case"
    return ChosenSplits(chosen.folds, chosen.told, (*chosen.warnings, warning))
