"""`mstkd report`: turns the records of a benchmark into a report (L4)."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunetv2_mstkd.benchmark.report_options import ReportOptions
    from nnunetv2_mstkd.benchmark.results import Results

# as in evaluation.empty_policy and benchmark.published, which --help need not load
POLICIES = ("brats", "nan", "released", "acn")
PUBLISHED = ("BraTS2024", "FeTS2024")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, help="output folder of mstkd benchmark")
    add_report_options(parser)


def add_report_options(group: "argparse._ActionsContainer") -> None:
    """Add the options that say what the report shows."""
    group.add_argument("--baseline", metavar="TITLE", help="model that the others are compared with")
    group.add_argument(
        "--policy", choices=POLICIES, default="brats", help="how empty masks are scored (default: %(default)s)"
    )
    group.add_argument(
        "--hd95",
        choices=("max", "pooled"),
        default="max",
        help="the larger of two directed percentiles, or one over both sets of distances (default: %(default)s)",
    )
    group.add_argument("--published", choices=PUBLISHED, help="show the published values of a data set as well")
    group.add_argument("--no-viewer", action="store_true", help="leave images of patients out of the page")
    group.add_argument(
        "--write-confidence",
        action="store_true",
        help="also write the Dice of each subset into the model folders, where mstkd predict and export find it",
    )


def report_options(args: argparse.Namespace) -> list[str]:
    """Return the options that `add_report_options` read, as they would be typed."""
    given = (("--baseline", None), ("--policy", "brats"), ("--hd95", "max"), ("--published", None))
    values = [(option, getattr(args, option.removeprefix("--")), default) for option, default in given]
    typed = [text for option, value, default in values if value != default for text in (option, value)]
    flags = (("--no-viewer", args.no_viewer), ("--write-confidence", args.write_confidence))
    return [*typed, *(flag for flag, is_given in flags if is_given)]


def run(args: argparse.Namespace) -> int:
    """Write the report, and say where."""
    write(args.folder, args)
    return 0


def write(folder: Path, args: argparse.Namespace) -> None:
    """Write what the options ask for."""
    from nnunetv2_mstkd.benchmark.report.write import write_report
    from nnunetv2_mstkd.benchmark.results import read_results

    results = read_results(folder)
    if results.passed_over:
        count = len(results.passed_over)
        print(
            f"{count} record{'s' if count != 1 else ''} left out, of other weights or plans or of cases that are no "
            f"longer to be predicted, such as {results.passed_over[0]}",
            flush=True,
        )
    if args.write_confidence:
        _write_confidence(results, args.policy)
    print(f"report: {write_report(folder, _options(args))}", flush=True)


def _options(args: argparse.Namespace) -> "ReportOptions":
    from nnunetv2_mstkd.benchmark.report_options import ReportOptions

    return ReportOptions(
        baseline=args.baseline,
        policy=args.policy,
        hd95=args.hd95,
        published=args.published,
        viewer=not args.no_viewer,
    )


def _write_confidence(results: "Results", policy: str) -> None:
    from nnunetv2_mstkd.benchmark.confidence import write_confidence

    for file in write_confidence(results, policy):
        print(f"wrote {file}", flush=True)
