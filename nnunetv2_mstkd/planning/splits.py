"""`python -m nnunetv2_mstkd.planning.splits FOLDER CONFIGURATION PLANS ...`: nnU-Net's splits before it trains (L3).

The first training of a dataset writes splits_final.json, and not whole: of several that start together one may read
half of it. Written here before they start, it is the file that nnU-Net would have written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.splits_file import SPLITS_FILE
from nnunetv2_mstkd.whole_file import whole_file

_SEED, _FOLDS = 12345, 5  # as in nnUNetTrainer.do_split


def write_splits(folder: Path, configuration: str, plans: Sequence[str]) -> None:
    """Write splits_final.json unless it is there.

    Args:
        folder: preprocessed dataset.
        configuration: of the plans.
        plans: names of all plans that are trained with; all of them share the splits.

    Raises:
        SettingsError: if plans or preprocessed cases are missing, or are too few to be split.
    """
    for name in plans:
        if not (folder / f"{name}.json").is_file():
            raise SettingsError(f"{folder} has no {name}.json; plan the dataset with nnUNetv2_plan_and_preprocess")
    if (folder / SPLITS_FILE).is_file():
        return
    from batchgenerators.utilities.file_and_folder_operations import save_json
    from nnunetv2.utilities.crossval_split import generate_crossval_split

    cases = _cases(folder, configuration, plans[0])
    if len(cases) < _FOLDS:
        raise SettingsError(f"{len(cases)} cases are too few for {_FOLDS} folds; write {folder / SPLITS_FILE} yourself")
    with whole_file(folder / SPLITS_FILE) as temporary:
        save_json(generate_crossval_split(cases, seed=_SEED, n_splits=_FOLDS), str(temporary))


def _cases(folder: Path, configuration: str, plans: str) -> list[str]:
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(str(folder / f"{plans}.json"))
    if configuration not in manager.available_configurations:
        known = ", ".join(manager.available_configurations)
        raise SettingsError(f"{plans} has no configuration {configuration}; it has {known}")
    data = folder / manager.get_configuration(configuration).data_identifier
    if not data.is_dir() or not any(data.iterdir()):
        raise SettingsError(f"{data} holds no cases; preprocess them with nnUNetv2_preprocess")
    return sorted(infer_dataset_class(str(data)).get_identifiers(str(data)))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.planning.splits", description=__doc__)
    parser.add_argument("folder", type=Path, help="preprocessed dataset")
    parser.add_argument("configuration")
    parser.add_argument("plans", nargs="+", help="names of the plans")
    args = parser.parse_args(argv)
    try:
        write_splits(args.folder, args.configuration, args.plans)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
