"""`python -m nnunetv2_mstkd.workflow.repeat SOURCE TARGET`: a preprocessed dataset with another seed (L0).

Our trainers read their seed from the plans, and all trainings of one plans name share it. Were the plans the same, all
repeats would begin with the same weights and see the same subsets, and their spread would be too small. Another plans
name would make another model of each repeat. So a repeat gets a folder of its own: links to the data, and copies of the
plans in which only the seed differs.
"""

import argparse
import json
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.splits_file import SPLITS_FILE
from nnunetv2_mstkd.whole_file import whole_file

SECTION, SEED = "mstkd", "seed"  # as in docs/reference/settings.md
_DEFAULT_SEED = 0


def make_repeat(source: Path, target: Path, seed_offset: int, plans: Collection[str]) -> None:
    """Make or refresh the preprocessed dataset of a repeat.

    Args:
        source: preprocessed dataset of the first repeat.
        target: folder to make.
        seed_offset: to be added to the seed.
        plans: names of the plans that are copied.

    Raises:
        SettingsError: if plans are missing.
    """
    for name in plans:
        if not (source / f"{name}.json").is_file():
            raise SettingsError(f"{source} has no {name}.json; plan the dataset with nnUNetv2_plan_and_preprocess")
    target.mkdir(parents=True, exist_ok=True)
    copies = {f"{name}.json" for name in plans}
    # the splits also before they are there: what nnU-Net then writes through the link all repeats share
    for name in sorted({SPLITS_FILE, *(entry.name for entry in source.iterdir())}):
        if name in copies:
            _copy_with_seed(source / name, target / name, seed_offset)
        elif not os.path.lexists(target / name):
            (target / name).symlink_to((source / name).resolve())


def _copy_with_seed(source: Path, target: Path, seed_offset: int) -> None:
    plans = json.loads(source.read_text(encoding="utf-8"))
    section = plans.get(SECTION, {})
    plans[SECTION] = {**section, SEED: section.get(SEED, _DEFAULT_SEED) + seed_offset}
    with whole_file(target) as temporary:
        temporary.write_text(json.dumps(plans, indent=4), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folder."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.workflow.repeat", description=__doc__)
    parser.add_argument("source", type=Path, help="preprocessed dataset")
    parser.add_argument("target", type=Path, help="folder to make")
    parser.add_argument("--seed-offset", type=int, required=True)
    parser.add_argument("--plans", nargs="+", required=True, help="names of the plans")
    args = parser.parse_args(argv)
    try:
        make_repeat(args.source, args.target, args.seed_offset, args.plans)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
