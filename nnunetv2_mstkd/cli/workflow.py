"""`mstkd workflow`: writes a Snakemake workflow that trains, benchmarks and reports (L4)."""

import argparse
import importlib.util
import shlex
import sys
from pathlib import Path

from nnunetv2_mstkd.workflow.folder import COMPARISONS, CONFIG, EXAMPLE, write_workflow


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "folder", type=Path, help="where to write Snakefile, config.yaml and profiles; never overwrites"
    )
    parser.add_argument(
        "--comparison",
        choices=tuple(COMPARISONS),
        help="config.yaml of the comparison of all methods: on simulated patients, or on your own",
    )


def run(args: argparse.Namespace) -> int:
    """Write the files, and say what comes next."""
    target = " comparison" if args.comparison else ""
    for file in write_workflow(args.folder, COMPARISONS.get(args.comparison, EXAMPLE)):
        print(file)
    print(f"\nSay in {args.folder / CONFIG} what to train. Then, with local, slurm or kubernetes:")
    print(f"  cd {shlex.quote(str(args.folder))}")
    print(f"  snakemake --profile profiles/local{target} --dry-run   # what would be run")
    print(f"  snakemake --profile profiles/local{target}")
    if importlib.util.find_spec("snakemake") is None:
        print(f"\nSnakemake is not installed: {_how_to_install()}")
    return 0


def _how_to_install() -> str:
    if sys.version_info < (3, 11):
        return "it needs Python 3.11 or newer, this one is older. The files are good for any installation."
    return 'pip install "nnunetv2_mstkd[workflow]"'
