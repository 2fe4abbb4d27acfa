"""`mstkd predict`: segments cases with whatever modalities each of them has (L4)."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.inference_options import add_application_options
from nnunetv2_mstkd.cli.number import whole_number
from nnunetv2_mstkd.inference.model_files import FINAL_CHECKPOINT

if TYPE_CHECKING:
    from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
    from nnunetv2_mstkd.inference.run_options import RunResult

Say = Callable[[str], None]

TRAINER, PLANS = "nnUNetTrainerMSTKD", "nnUNetPlans"  # where -m names no model folder
NOT_ALL_DONE = 3  # exit code: the run is over, but cases were skipped


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options: nnUNetv2_predict's under its names, and ours."""
    parser.set_defaults(usage_error=parser.error)
    _add_input(parser.add_argument_group("input and output"))
    _add_model(parser.add_argument_group("model"))
    _add_inference(parser.add_argument_group("inference"))


def _add_input(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("-i", type=Path, required=True, metavar="FOLDER", help="images: one folder, or one per patient")
    group.add_argument("-o", type=Path, required=True, metavar="FOLDER", help="where the segmentations go")
    group.add_argument("--modalities", metavar="NAMES", help="use these alone, as in T1ce,FLAIR, or 0/1 per channel")
    group.add_argument(
        "--modality-table",
        type=Path,
        metavar="FILE",
        help="CSV or JSON that says for each case what to use",
    )
    group.add_argument(
        "--channel-order", metavar="NAMES", help="the images are 4D, with these modalities; - passes one over"
    )
    group.add_argument(
        "--on-error",
        choices=("stop", "skip"),
        default="stop",
        help="a case that cannot be predicted: stop before any work, or predict the others (default: %(default)s)",
    )
    group.add_argument("--check", action="store_true", help="find and check the cases, and predict nothing")
    group.add_argument("--save_probabilities", action="store_true", help="also write them, as <case>.npz")
    group.add_argument("--continue_prediction", action="store_true", help="leave alone what is finished")
    group.add_argument(
        "-num_parts", type=whole_number(1), default=1, help="calls that share the cases (default: %(default)s)"
    )
    group.add_argument(
        "-part_id", type=whole_number(0), default=0, help="which of them this is, from 0 (default: %(default)s)"
    )
    group.add_argument(
        "-prev_stage_predictions", type=Path, metavar="FOLDER", help="of a cascade: labels of the previous stage"
    )


def _add_model(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("-m", type=Path, metavar="FOLDER", help="model folder; in place of -d, -tr, -p and -c")
    group.add_argument("-d", metavar="DATASET", help="name or number of the dataset")
    group.add_argument("-tr", metavar="TRAINER", help=f"trainer (default: {TRAINER})")
    group.add_argument("-p", metavar="PLANS", help=f"plans (default: {PLANS})")
    group.add_argument("-c", metavar="CONFIGURATION", help="such as 3d_fullres")
    group.add_argument("-f", nargs="+", metavar="FOLD", help="folds to average (default: all that are trained)")
    group.add_argument("-chk", default=FINAL_CHECKPOINT, help="checkpoint (default: %(default)s)")
    group.add_argument(
        "--trust-checkpoint", action="store_true", help="load checkpoints that could execute code: only your own"
    )


def _add_inference(group: "argparse._ArgumentGroup") -> None:
    add_application_options(group)
    group.add_argument("--not_on_device", action="store_true", help="do not keep whole cases on the GPU")
    for option, work in (("npp", "read and preprocess"), ("nps", "resample and write")):
        variable = f"nnUNet_{option}"  # nnU-Net's, which asks for the same of its processes
        group.add_argument(
            f"-{option}",
            type=whole_number(0),
            default=os.environ.get(variable, "1"),
            help=f"threads that {work}; 0: none of their own (default: ${variable} if that is set, else 1)",
        )
    group.add_argument("--verbose", action="store_true", help="also show what nnU-Net prints")
    group.add_argument("--disable_progress_bar", action="store_true", help="of the tiles of a case")


def run(args: argparse.Namespace) -> int:
    """Predict what is there; say what is not."""
    _require_consistent(args)
    say = partial(print, file=sys.stdout, flush=True)
    try:
        if args.verbose:
            return _run(args, say)
        with open(os.devnull, "w", encoding="utf-8") as sink, contextlib.redirect_stdout(sink):  # what nnU-Net prints
            return _run(args, say)
    except KeyboardInterrupt:
        again = "Finished cases are whole. To go on, repeat the command with --continue_prediction"
        print(f"\nInterrupted. {again}", file=sys.stderr)
        return 1


def _require_consistent(args: argparse.Namespace) -> None:
    """Check what no option can tell by itself; ends as argparse does with a usage error."""
    named = [option for option in ("d", "tr", "p", "c") if getattr(args, option) is not None]
    if args.m is None and not {"d", "c"}.issubset(named):
        args.usage_error("name the model by -m FOLDER, or by -d DATASET and -c CONFIGURATION")
    if args.m is not None and named:
        args.usage_error(f"-m names a model folder, and -{', -'.join(named)} another: give one of the two")
    if args.part_id >= args.num_parts:
        args.usage_error(f"-part_id must be 0 to {args.num_parts - 1}, below -num_parts; given: {args.part_id}")


def _run(args: argparse.Namespace, say: Say) -> int:
    from nnunetv2_mstkd.inference.folder_prediction import FolderPrediction
    from nnunetv2_mstkd.inference.intake import Selection
    from nnunetv2_mstkd.inference.run_options import RunOptions

    predictor = _load(args, say)
    selection = Selection(
        folder=args.i,
        modalities=args.modalities,
        modality_table=args.modality_table,
        channel_order=args.channel_order,
        previous_stage=args.prev_stage_predictions,
        part=args.part_id,
        num_parts=args.num_parts,
    )
    options = RunOptions(
        save_probabilities=args.save_probabilities,
        continue_prediction=args.continue_prediction,
        skip_on_error=args.on_error == "skip",
        preparing=args.npp,
        finishing=args.nps,
    )
    job = FolderPrediction(predictor, selection, args.o, options, say)
    if args.check:
        problems = job.check()[1]
        for problem in problems:
            say(f"  {problem}")
        return 1 if problems else 0
    return _summary(job.run(), args.o, say)


def _load(args: argparse.Namespace, say: Say) -> "MissingModalityPredictor":
    from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
    from nnunetv2_mstkd.inference.model_folder import find_model_folder

    predictor = MissingModalityPredictor(
        args.m or find_model_folder(args.d, args.tr or TRAINER, args.p or PLANS, args.c),
        args.f,
        args.chk,
        device=args.device,
        engine=args.engine,
        step_size=args.step_size,
        mirroring=not args.disable_tta,
        on_device=not args.not_on_device,
        trust_checkpoint=args.trust_checkpoint,
        progress_bar=sys.stderr.isatty() and not args.disable_progress_bar,
        warn=lambda line: say(f"warning: {line}"),
    )
    model = predictor.model
    say(f"{model.folder.name}, folds {', '.join(model.folds)}, on {predictor.device}")
    say(f"engine {predictor.engine.name}: {predictor.engine.reason}")
    if not model.handles_missing:
        say(
            f"warning: {model.trainer_name} did not train this model for missing modalities. Absent ones are zero, "
            f"which it has never seen: expect poor results for incomplete cases"
        )
    return predictor


def _summary(result: "RunResult", output: Path, say: Say) -> int:
    counts = {status: list(result.status.values()).count(status) for status in dict.fromkeys(result.status.values())}
    say(f"{output}: " + (", ".join(f"{count} {status}" for status, count in counts.items()) or "no cases"))
    if result.is_complete:
        return 0
    say("not predicted:")
    for problem in result.problems:
        say(f"  {problem}")
    return NOT_ALL_DONE
