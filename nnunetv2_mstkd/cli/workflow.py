"""`mstkd workflow`: writes a Snakemake workflow that trains, benchmarks and reports (L4)."""

import argparse
import importlib.util
import shlex
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "folder", type=Path, help="where to write Snakefile, config.yaml and profiles; never overwrites"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files, and say what comes next."""
    from nnunetv2_mstkd.workflow.folder import CONFIG, write_workflow

    for file in write_workflow(args.folder):
        print(file)
    print(f"\nSay in {args.folder / CONFIG} what to train. Then, with local, slurm or kubernetes:")
    print(f"  cd {shlex.quote(str(args.folder))}")
    print("  snakemake --profile profiles/local --dry-run   # what would be run")
    print("  snakemake --profile profiles/local")
    if importlib.util.find_spec("snakemake") is None:
        print(f"\nSnakemake is not installed: {_how_to_install()}")
    return 0


def _how_to_install() -> str:
    if sys.version_info < (3, 11):
        return "it needs Python 3.11 or newer, this one is older. The files are good for any installation."
    return 'pip install "nnunetv2_mstkd[workflow]"'
