"""`mstkd benchmark --dry-run`: the work as commands, one for each part (L4)."""

import argparse
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.report import report_options

if TYPE_CHECKING:
    from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
    from nnunetv2_mstkd.inference.benchmark.plan import Plan

# options with one value or none, that are typed where they differ from this
_DEFAULTS = {
    "-chk": "checkpoint_final.pth",
    "-device": "auto",
    "--engine": "auto",
    "-step_size": 0.5,
    "--disable_tta": False,
    "--subsets-per-forward": 0,
    "--tolerance": 1.0,
    "--lesion-wise": False,
    "--keep-predictions": False,
    "--trust-checkpoint": False,
}


def commands(args: argparse.Namespace, plan: "Plan", options: "BenchmarkOptions") -> Iterator[str]:
    """Yield the lines of a shell script: a command for each part, with a comment that says what is left of it.

    Args:
        args: of the command.
        plan: all work.
        options: how it is done.
    """
    from nnunetv2_mstkd.inference.benchmark.jobs import Jobs

    left = {(job.training, job.case.name) for of_case in Jobs(plan, args.o, options).left()[0] for job in of_case}
    parts = args.parts or max(1, len(plan.work))
    for part in range(parts):
        for training, cases in plan.part(part, parts).work:
            count = sum((training, case.name) in left for case in cases)
            yield f"# {training.name}: {len(cases)} cases, {count} left"
        yield shlex.join([*_typed(args, plan), "--part", str(part), "--parts", str(parts), "--no-report"])
    yield "# when all of them have ended:"
    yield shlex.join(["mstkd", "report", str(args.o.absolute()), *report_options(args)])


def _typed(args: argparse.Namespace, plan: "Plan") -> list[str]:
    """Return the command without what belongs to one call of several: as it can be typed anywhere, at any time."""
    typed = ["mstkd", "benchmark", "-o", str(args.o.absolute())]
    lists = {
        "-d": [args.d] if args.d else None,
        "-c": [args.c] if args.c else None,
        "-tr": args.tr,
        "-p": args.p,
        "--results": args.results and [str(folder.absolute()) for folder in args.results],
        "-i": args.i and [str(args.i.absolute())],
        "-l": args.l and [str(args.l.absolute())],
        "-m": args.m and [_absolute(text) for text in args.m],
        "-f": args.f or _common_folds(plan),
        "--subsets": args.subsets,
    }
    for option, values in lists.items():
        typed += [option, *values] if values else []
    for option, default in _DEFAULTS.items():
        value = getattr(args, option.lstrip("-").replace("-", "_"))
        if value != default:
            typed += [option] if value is True else [option, str(value)]
    return typed


def _absolute(text: str) -> str:
    from nnunetv2_mstkd.benchmark.title import parse_titled

    title, folder = parse_titled(text)
    return f"{title}={Path(folder).absolute()}" if title else str(Path(folder).absolute())


def _common_folds(plan: "Plan") -> list[str]:
    """Return the folds of all models, where they are the same: one that is trained later would move the cuts."""
    folds: dict[object, set[str]] = defaultdict(set)
    for training, _ in plan.work:
        folds[training.model.folder] |= set(training.folds)
    different = {tuple(sorted(own)) for own in folds.values()}
    return list(different.pop()) if len(different) == 1 else []
