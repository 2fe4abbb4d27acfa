"""`mstkd cohort`: writes a cohort of simulated patients (L4)."""

import argparse
import sys
from pathlib import Path

from nnunetv2_mstkd.cores import available_cores


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("out", type=Path, help='the raw dataset to write, such as "$nnUNet_raw"/Dataset901_Simulated')
    parser.add_argument("--cases", type=int, default=40, help="training scans (default: %(default)s)")
    parser.add_argument("--test-cases", type=int, default=10, help="test scans (default: %(default)s)")
    parser.add_argument(
        "--spacing", type=float, default=3.0, help="edge of a voxel in mm; 1 gives 240x240x155 (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal cohorts (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes (default: one per core)")


def run(args: argparse.Namespace) -> int:
    """Write the cohort, or say that it is there."""
    from nnunetv2_mstkd.datasets.demonstration.cohort import Cohort
    from nnunetv2_mstkd.datasets.demonstration.cohort_dataset import write_cohort

    cohort = Cohort(args.cases, args.test_cases, args.spacing, args.seed)
    folder = args.out.resolve()
    if write_cohort(folder, cohort, args.workers, _show):
        print(f"{folder}: ready for nnUNetv2_plan_and_preprocess -d {int(folder.name[7:10])}")
    else:
        print(f"{folder} holds this cohort already")
    return 0


def _show(done: int, total: int) -> None:
    """Print one line that changes on a terminal, and every tenth case in a log."""
    if sys.stdout.isatty():
        print(f"\r{done} of {total} cases", end="" if done < total else "\n", flush=True)
    elif done % 10 == 0 or done == total:
        print(f"{done} of {total} cases", flush=True)
