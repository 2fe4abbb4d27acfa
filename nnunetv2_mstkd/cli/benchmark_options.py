"""The options of `mstkd benchmark` (L4)."""

import argparse
from pathlib import Path

from nnunetv2_mstkd.cli.inference_options import add_application_options
from nnunetv2_mstkd.cli.number import positive, whole_number
from nnunetv2_mstkd.cli.report import add_report_options, report_options

PLANS = "nnUNetPlans"


def add_options(parser: argparse.ArgumentParser) -> None:
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
    add_application_options(group)
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


def require_consistent(args: argparse.Namespace) -> None:
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
