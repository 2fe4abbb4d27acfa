"""`mstkd benchmark`: scores models on every subset of the modalities (L4)."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.benchmark_options import PLANS, add_options, require_consistent
from nnunetv2_mstkd.cli.dry_run import commands
from nnunetv2_mstkd.cli.interruption import interrupted_by_signals
from nnunetv2_mstkd.cli.report import write

if TYPE_CHECKING:
    from nnunetv2_mstkd.cases.problem import Problem
    from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
    from nnunetv2_mstkd.inference.benchmark.plan import Plan

Say = Callable[[str], None]

MAX_LISTED = 20  # failures in the last message; all of them are told on the way


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Score what is not scored yet; then write the report."""
    require_consistent(args)
    say = partial(print, file=sys.stdout, flush=True)
    try:
        with interrupted_by_signals():
            _run(args, say)
    except KeyboardInterrupt:
        print("\nInterrupted. Finished cases are whole. To go on, run the same command", file=sys.stderr)
        return 1
    return 0


def _run(args: argparse.Namespace, say: Say) -> None:
    from nnunetv2_mstkd.errors import BenchmarkRunError

    with open(os.devnull, "w", encoding="utf-8") as sink, contextlib.redirect_stdout(sink):  # what nnU-Net prints
        failures = _benchmark(args, say)
    try:
        if not (args.dry_run or args.no_report):
            _report(args, say)
    except Exception as error:
        if not failures:
            raise
        raise BenchmarkRunError(f"{_told(failures)}\nThere is no report, either: {error}") from error
    if failures:
        raise BenchmarkRunError(_told(failures))


def _told(failures: "Sequence[Problem]") -> str:
    listed = "\n".join(f"  {failure}" for failure in failures[:MAX_LISTED])
    more = f"\n  and {len(failures) - MAX_LISTED} more" if len(failures) > MAX_LISTED else ""
    return (
        f"{len(failures)} case{'s' if len(failures) > 1 else ''} could not be scored; the others are:\n{listed}{more}\n"
        f"Mend them, and run the same command: it scores what is missing"
    )


def _benchmark(args: argparse.Namespace, say: Say) -> "list[Problem]":
    from nnunetv2_mstkd.inference.benchmark.run import BenchmarkRun

    options = _options(args)
    plan = _plan(args, options)
    if args.dry_run:
        for line in commands(args, plan, options):
            say(line)
        return []
    return BenchmarkRun(plan.part(args.part or 0, args.parts or 1), args.o, options, say).run()


def _report(args: argparse.Namespace, say: Say) -> None:
    from nnunetv2_mstkd.benchmark.record import case_files
    from nnunetv2_mstkd.benchmark.training_facts import training_files

    if any(True for file in training_files(args.o) for _ in case_files(file.parent)):
        write(args.o, args)
    else:
        say(f"{args.o}: nothing could be scored, so there is no report")


def _options(args: argparse.Namespace) -> "BenchmarkOptions":
    from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
    from nnunetv2_mstkd.inference.missing_modality_predictor import find_device

    return BenchmarkOptions(
        device=find_device(args.device),
        engine=args.engine,
        checkpoint=args.chk,
        subsets=None if args.subsets is None else tuple(args.subsets),
        step_size=args.step_size,
        mirroring=not args.disable_tta,
        subsets_per_forward=args.subsets_per_forward,
        tolerance_mm=args.tolerance,
        lesion_wise=args.lesion_wise,
        keep_predictions=args.keep_predictions,
        trust_checkpoint=args.trust_checkpoint,
    )


def _plan(args: argparse.Namespace, options: "BenchmarkOptions") -> "Plan":
    from nnunetv2_mstkd.benchmark.title import parse_titled
    from nnunetv2_mstkd.inference.benchmark.test_set import TestSet, plan_test_set
    from nnunetv2_mstkd.inference.benchmark.validation import CrossValidation, plan_cross_validation

    folds = None if args.f is None else tuple(args.f)
    if args.m is not None:
        return plan_test_set(TestSet(args.i, args.l, tuple(map(parse_titled, args.m)), folds), args.o, options)
    source = CrossValidation(
        dataset=args.d,
        configuration=args.c,
        trainers=tuple(map(parse_titled, args.tr)),
        plans=tuple(args.p or (PLANS,)),
        folds=folds,
        results=tuple(args.results or ()),
    )
    return plan_cross_validation(source, args.o, options)
