"""Entry point of `mstkd`: lists the commands and loads the one that is asked for (L4)."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from nnunetv2_mstkd import __version__
from nnunetv2_mstkd.errors import MSTKDError


class Command(NamedTuple):
    """One subcommand: its module has `configure(parser) -> None` and `run(args) -> int`."""

    module: str
    summary: str


COMMANDS = {
    "benchmark": Command("nnunetv2_mstkd.cli.benchmark", "score models on every subset of the modalities"),
    "cohort": Command("nnunetv2_mstkd.cli.cohort", "write a cohort of simulated patients, an nnU-Net raw dataset"),
    "convert": Command("nnunetv2_mstkd.cli.convert", "make an nnU-Net dataset of a downloaded one, or check one"),
    "convert-back": Command("nnunetv2_mstkd.cli.convert_back", "give predictions a challenge's labels, or BIDS names"),
    "demo": Command("nnunetv2_mstkd.cli.demo", "train and compare models on simulated patients, in minutes"),
    "doctor": Command("nnunetv2_mstkd.cli.doctor", "check the installation, and say what mends each problem"),
    "export": Command("nnunetv2_mstkd.cli.export", "write a model as an archive for others, with a model card"),
    "import": Command("nnunetv2_mstkd.cli.import_", "check an archive of a model and install it, executing nothing"),
    "predict": Command("nnunetv2_mstkd.cli.predict", "segment cases with whatever modalities each of them has"),
    "report": Command("nnunetv2_mstkd.cli.report", "turn the records of a benchmark into tables, figures, a page"),
    "workflow": Command("nnunetv2_mstkd.cli.workflow", "write a Snakemake workflow: train, benchmark, report"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, others its own; a usage error exits with 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments[:1]).parse_args(arguments)
    try:
        return import_module(COMMANDS[args.command].module).run(args)
    except MSTKDError as error:
        print(f"mstkd {args.command}: {error}", file=sys.stderr)
        return 1


def _parser(asked_for: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mstkd", description="nnU-Net with missing modalities: tools around MST-KD.")
    parser.add_argument("--version", action="version", version=f"nnunetv2_mstkd {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="<command>", required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.summary, description=command.summary)
        if name in asked_for:  # the others' modules stay unloaded: --help answers at once
            import_module(command.module).configure(subparser)
    return parser
