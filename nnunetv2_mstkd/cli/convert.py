"""`mstkd convert`: makes an nnU-Net raw dataset of a dataset as it was downloaded, or checks one (L4)."""

import argparse
import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.convert_usage import require_usage
from nnunetv2_mstkd.cli.interruption import interrupted_by_signals
from nnunetv2_mstkd.cli.number import whole_number
from nnunetv2_mstkd.cores import available_cores
from nnunetv2_mstkd.datasets.conversion.counted import counted
from nnunetv2_mstkd.datasets.conversion.options import FOLDS, PRESET, ConversionOptions
from nnunetv2_mstkd.datasets.layouts.label_set import PRESETS

if TYPE_CHECKING:
    from nnunetv2_mstkd.datasets.layouts.layout import Layout
    from nnunetv2_mstkd.datasets.layouts.source import SourceDataset

RAW = "nnUNet_raw"  # nnU-Net's variable

say = partial(print, flush=True)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.set_defaults(usage_error=parser.error)
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="folder of the dataset as it was downloaded")
    parser.add_argument(
        "out", nargs="?", metavar="OUT", help='the raw dataset to write, such as "$nnUNet_raw"/Dataset137_BraTS'
    )
    parser.add_argument(
        "--check", type=Path, metavar="DATASET", help="check an nnU-Net raw dataset that exists, and write nothing"
    )
    parser.add_argument("--splits", type=Path, metavar="FILE", help="of the folds: JSON as nnU-Net's, or CSV case,fold")
    parser.add_argument("--workers", type=whole_number(1), default=available_cores(), help="processes (default: cores)")
    _add_source(parser.add_argument_group("what the source is (default: recognised from the names)"))
    _add_dataset(parser.add_argument_group("what the dataset becomes"))


def _add_source(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--layout", metavar="NAME", help="a known layout, or a JSON file that describes one")
    group.add_argument("--images", metavar="PATTERN", help='such as "{case}/{case}_{modality}.nii.gz"')
    group.add_argument("--label", metavar="PATTERN", help='such as "{case}/{case}_seg.nii.gz"')
    group.add_argument(
        "--modality", action="append", metavar="NAME=PART", help="what stands for {modality}: T1ce=t1gd; once for each"
    )
    group.add_argument("--labels", metavar="VALUES", help='what the values mean: "1=NCR,2=ED,3=ET"')
    group.add_argument("--patient", metavar="REGEX", help="finds the patient in a case's name, by a group")


def _add_dataset(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--preset",
        choices=PRESETS,
        help=f"labels as the source has them, or as nnU-Net's own converters (default: {PRESET})",
    )
    storage = group.add_mutually_exclusive_group()
    storage.add_argument("--copy", action="store_true", help="copy the images (default: dataset.json names them)")
    storage.add_argument("--symlink", action="store_true", help="make symbolic links to them")
    group.add_argument("--root-variable", metavar="NAME", help="dataset.json names images from this variable on")
    group.add_argument("--partition", metavar="NAME", help="one fold per part, as of FeTS' partitioning_1")
    group.add_argument("--folds", type=whole_number(2), help=f"that are made (default: {FOLDS})")
    group.add_argument("--skip-faulty", action="store_true", help="leave out the cases that have a problem")
    group.add_argument("--dry-run", action="store_true", help="check everything, and write nothing")


def run(args: argparse.Namespace) -> int:
    """Convert, or check; say what was found."""
    require_usage(args)
    try:
        with interrupted_by_signals():
            return _convert(args) if args.check is None else _check(args)
    except KeyboardInterrupt:
        print("\nInterrupted. To go on, repeat the command", file=sys.stderr)
        return 1


def _check(args: argparse.Namespace) -> int:
    from nnunetv2_mstkd.datasets.audit.audit import audit_dataset
    from nnunetv2_mstkd.datasets.audit.finding import tally

    findings = audit_dataset(args.check, args.splits, args.workers, _show)
    for finding in findings:
        say(finding)
    say(f"{args.check}: {tally(findings)}")
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _convert(args: argparse.Namespace) -> int:
    from nnunetv2_mstkd.datasets.conversion.convert import is_finished, plan_conversion, write_conversion
    from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
    from nnunetv2_mstkd.datasets.conversion.summary import next_command, summary_lines
    from nnunetv2_mstkd.datasets.conversion.target_folder import require_target

    root = LinkRoot.of(args.source, args.root_variable)
    out = LinkRoot.of(args.out).folder
    options = _options(args)
    require_target(out, root.folder)
    conversion = plan_conversion(_scan(args, root.folder), out, root, options, _show)
    for line in summary_lines(conversion):
        say(line)
    if args.dry_run:
        is_finished(conversion)  # or what is there stands in the way
        say(f"{out}: nothing was written (--dry-run)")
        return 0
    is_new = write_conversion(conversion, options.workers, _show)
    say(f"{out}: " + ("converted. Next:" if is_new else "holds this conversion already. Next:"))
    if Path(os.environ.get(RAW, "")).resolve() != out.parent.resolve():
        say(f"  export {RAW}={shlex.quote(str(out.parent))}")
    say(f"  {next_command(conversion)}")
    return 0


def _scan(args: argparse.Namespace, folder: Path) -> "SourceDataset":
    """Find the cases, in a known layout or in one that is described."""
    from nnunetv2_mstkd.datasets.layouts.label_names import parse_labels
    from nnunetv2_mstkd.datasets.layouts.scan import scan

    labels = parse_labels(args.labels) if args.labels else None
    described = _described(args)
    return scan(folder, None if described else args.layout, described, labels)


def _described(args: argparse.Namespace) -> "Layout | None":
    """Return the layout that a file or the options describe; None if neither does."""
    from nnunetv2_mstkd.datasets.layouts.described import layout_from_description, read_description

    typed = {
        "images": args.images,
        "label": args.label,
        "modalities": args.modality,
        "patient": args.patient,
    }
    typed = {key: value for key, value in typed.items() if value is not None}
    if args.layout is not None and typed:
        args.usage_error("--layout names a layout, --images, --label, --modality and --patient describe one: not both")
    if typed:
        return layout_from_description(typed)
    is_file = args.layout is not None and args.layout.lower().endswith(".json")
    return read_description(Path(args.layout)) if is_file else None


def _options(args: argparse.Namespace) -> ConversionOptions:
    return ConversionOptions(
        preset=args.preset or PRESET,
        storage="copy" if args.copy else "symlink" if args.symlink else "link",
        splits=args.splits,
        partition=args.partition,
        folds=args.folds or FOLDS,
        skip_faulty=args.skip_faulty,
        workers=args.workers,
    )


def _show(doing: str, done: int, total: int) -> None:
    """Print one line that changes on a terminal, and the last in a log."""
    if sys.stdout.isatty():
        print(f"\r{done} of {total} cases {doing}", end="" if done < total else "\n", flush=True)
    elif done == total:
        print(f"{counted(total, 'case')} {doing}", flush=True)
