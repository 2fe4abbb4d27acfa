"""`mstkd benchmark`: scores models on every subset of the modalities (L4)."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.dry_run import commands
from nnunetv2_mstkd.cli.interruption import interrupted_by_signals
from nnunetv2_mstkd.cli.number import positive, step_size, whole_number
from nnunetv2_mstkd.cli.report import add_report_options, report_options, write
from nnunetv2_mstkd.inference.engines.names import AUTO, CHOICES

if TYPE_CHECKING:
    from nnunetv2_mstkd.cases.problem import Problem
    from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
    from nnunetv2_mstkd.inference.benchmark.plan import Plan

Say = Callable[[str], None]

PLANS = "nnUNetPlans"
MAX_LISTED = 20  # failures in the last message; all of them are told on the way


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; where nnU-Net has the same, under its names."""
    parser.set_defaults(usage_error=parser.error)
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER", help="where records and report go")
    _add_cross_validation(parser.add_argument_group("models of a dataset, on the validation cases of their folds"))
    _add_test_set(parser.add_argument_group("or any models, on a test set"))
    _add_scoring(parser.add_argument_group("scoring"))
    _add_inference(parser.add_argument_group("inference"))
    _add_sharing(parser.add_argument_group("sharing the work"))
    add_report_options(parser.add_argument_group("report"))


def _add_cross_validation(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("-d", metavar="DATASET", help="name or number of the dataset")
    group.add_argument("-c", metavar="CONFIGURATION", help="such as 3d_fullres")
    group.add_argument("-tr", nargs="+", metavar="[TITLE=]TRAINER", help="trainers, with titles for the report")
    group.add_argument("-p", nargs="+", metavar="PLANS", help=f"plans of each trainer (default: {PLANS})")
    group.add_argument(
        "--results", nargs="+", type=Path, metavar="FOLDER", help="each one repeat (default: $nnUNet_results)"
    )


def _add_test_set(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("-i", type=Path, metavar="FOLDER", help="images, as for mstkd predict")
    group.add_argument("-l", type=Path, metavar="FOLDER", help="label maps, called as the cases")
    group.add_argument("-m", nargs="+", metavar="[TITLE=]FOLDER", help="model folders, with titles for the report")


def _add_scoring(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--subsets", nargs="+", metavar="NAMES", help="such as T1ce,FLAIR or 0101 (default: all 2^M - 1 of them)"
    )
    group.add_argument(
        "--tolerance",
        type=positive,
        default=1.0,
        metavar="MM",
        help="of the normalised surface Dice (default: %(default)s)",
    )
    group.add_argument("--lesion-wise", action="store_true", help="also score single lesions, as BraTS 2023")
    group.add_argument("--keep-predictions", action="store_true", help="also write every label map")


def _add_inference(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "-f", nargs="+", metavar="FOLD", help="folds: scored one by one, on a test set averaged (default: all trained)"
    )
    group.add_argument("-chk", default="checkpoint_final.pth", metavar="NAME", help="checkpoint (default: %(default)s)")
    group.add_argument(
        "-device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="auto: cuda if there is one"
    )
    group.add_argument(
        "--engine",
        choices=CHOICES,
        default=AUTO,
        help="of the network on a CPU; auto: the fastest one that decides as torch-float32 (default: %(default)s)",
    )
    group.add_argument(
        "-step_size", type=step_size, default=0.5, help="of the sliding window, in patches (default: %(default)s)"
    )
    group.add_argument("--disable_tta", action="store_true", help="no mirroring: faster, a little less accurate")
    group.add_argument(
        "--subsets-per-forward",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="that go through the network together; 0: as many as pay off (default: %(default)s)",
    )
    group.add_argument(
        "--trust-checkpoint", action="store_true", help="load models that could execute code: only your own"
    )


def _add_sharing(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--parts", type=whole_number(1), metavar="N", help="calls that share the work")
    group.add_argument("--part", type=whole_number(0), metavar="I", help="which of them this is, from 0")
    group.add_argument("--no-report", action="store_true", help="write records alone")
    group.add_argument("--dry-run", action="store_true", help="print a command for each part, and do nothing")


def run(args: argparse.Namespace) -> int:
    """Score what is not scored yet; then write the report."""
    _require_consistent(args)
    say = partial(print, file=sys.stdout, flush=True)
    try:
        with interrupted_by_signals():
            _run(args, say)
    except KeyboardInterrupt:
        print("\nInterrupted. Finished cases are whole. To go on, run the same command", file=sys.stderr)
        return 1
    return 0


def _require_consistent(args: argparse.Namespace) -> None:
    """Check what no option can tell by itself; ends as argparse does with a usage error."""
    validation = [option for option in ("d", "c", "tr", "p", "results") if getattr(args, option) is not None]
    test_set = [option for option in ("i", "l", "m") if getattr(args, option) is not None]
    if validation and test_set:
        args.usage_error("-d, -c, -tr, -p, --results score validation cases; -i, -l, -m a test set: give one")
    if not ({"d", "c", "tr"} <= set(validation) or {"i", "l", "m"} == set(test_set)):
        args.usage_error("name models and cases by -d DATASET -c CONFIGURATION -tr TRAINER, or by -i, -l and -m")
    if args.part is not None and args.part >= (args.parts or 1):
        args.usage_error(f"--part must be 0 to {(args.parts or 1) - 1}, below --parts; given: {args.part}")
    if args.parts is not None and args.part is None and not args.dry_run:
        args.usage_error("--parts cuts the work: say with --part which of the parts this is")
    if args.no_report and (idle := [text for text in report_options(args) if text.startswith("--")]):
        args.usage_error(f"{', '.join(idle)} would do nothing with --no-report: give it to mstkd report")


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
