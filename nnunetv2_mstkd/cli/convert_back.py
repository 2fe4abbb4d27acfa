"""`mstkd convert-back`: gives predictions a challenge's labels and file names, or BIDS' (L4)."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.interruption import interrupted_by_signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnunetv2_mstkd.datasets.back.convert_back import Written
    from nnunetv2_mstkd.datasets.back.way_back import WayBack


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.set_defaults(usage_error=parser.error)
    parser.add_argument("predictions", type=Path, help="output folder of mstkd predict or nnUNetv2_predict")
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument(
        "--layout",
        metavar="NAME",
        help="whose labels are wanted: a known layout, or a JSON file that describes one (default: what mstkd convert "
        "noted in dataset.json)",
    )
    parser.add_argument(
        "--dataset-json", type=Path, metavar="FILE", help="of the model (default: that in the folder of predictions)"
    )
    parser.add_argument("--bids", action="store_true", help="write BIDS derivatives")
    parser.add_argument(
        "--sources", type=Path, metavar="FOLDER", help="with --bids: the dataset whose images were predicted"
    )


def run(args: argparse.Namespace) -> int:
    """Convert the label maps, and say what became of each."""
    if args.sources is not None and not args.bids:
        args.usage_error("--sources is for --bids")
    if args.sources is not None and not args.sources.is_dir():
        args.usage_error(f"--sources: there is no folder {args.sources}")
    try:
        with interrupted_by_signals():
            return _convert(args)
    except KeyboardInterrupt:
        print("\nInterrupted. To go on, repeat the command", file=sys.stderr)
        return 1


def _convert(args: argparse.Namespace) -> int:
    from nnunetv2_mstkd.datasets.back.bids import bids_targets
    from nnunetv2_mstkd.datasets.back.convert_back import convert_back, require_apart, targets_in
    from nnunetv2_mstkd.datasets.back.prediction import find_predictions
    from nnunetv2_mstkd.datasets.back.text_file import require_free, write_texts
    from nnunetv2_mstkd.datasets.back.way_back import way_back
    from nnunetv2_mstkd.datasets.conversion.counted import counted
    from nnunetv2_mstkd.datasets.json_object import read_json_object

    require_apart(args.predictions, args.out)
    dataset_json = read_json_object(args.dataset_json or args.predictions / "dataset.json")
    predictions = find_predictions(args.predictions, dataset_json)
    way = way_back(dataset_json, args.layout, keep_labels=args.bids)
    targets = bids_targets(args.out, predictions) if args.bids else targets_in(args.out, predictions, way)
    texts = _texts(args, predictions, targets, way) if args.bids else {}
    require_free(texts)
    changes = ", ".join(f"{value} becomes {native}" for value, native in way.changes.items())
    told = f"{counted(len(predictions), 'case')}; labels: {way.title} ({changes or 'no value changes'})"
    convert_back(predictions, targets, way, _show, lambda: print(told, flush=True))
    write_texts(texts)
    return 0


def _texts(
    args: argparse.Namespace, predictions: "Mapping[str, Path]", targets: "Mapping[str, Path]", way: "WayBack"
) -> "dict[Path, str]":
    """Return the files beside the label maps of BIDS, and say what they cannot tell."""
    from nnunetv2_mstkd.datasets.back.bids import bids_files, bids_notes
    from nnunetv2_mstkd.datasets.back.record import read_records
    from nnunetv2_mstkd.datasets.back.source_images import SourceImages

    records = read_records(predictions)
    sources = None if args.sources is None else SourceImages.of(args.sources, args.out)
    texts = bids_files(args.out, targets, records, way, sources)
    for note in bids_notes(records, sources):
        print(f"Note: {note}", flush=True)
    return texts


def _show(written: "Written") -> None:
    print(f"{written.case}: {written.file}{'' if written.is_new else ' (there already)'}", flush=True)
