"""`mstkd convert-back`: gives predictions a challenge's labels and file names, or BIDS' (L4)."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunetv2_mstkd.datasets.back.convert_back import Written


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.set_defaults(usage_error=parser.error)
    parser.add_argument("predictions", type=Path, help="output folder of mstkd predict or nnUNetv2_predict")
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument(
        "--layout", metavar="NAME", help="whose labels are wanted (default: what mstkd convert noted in dataset.json)"
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
        return _convert(args)
    except KeyboardInterrupt:
        print("\nInterrupted. To go on, repeat the command", file=sys.stderr)
        return 1


def _convert(args: argparse.Namespace) -> int:
    from nnunetv2_mstkd.datasets.audit.raw_dataset import read_json_object
    from nnunetv2_mstkd.datasets.back.bids import bids_files, bids_targets, require_free, write_texts
    from nnunetv2_mstkd.datasets.back.convert_back import convert_back, require_apart, targets_in
    from nnunetv2_mstkd.datasets.back.prediction import find_predictions
    from nnunetv2_mstkd.datasets.back.way_back import way_back

    require_apart(args.predictions, args.out)
    dataset_json = read_json_object(args.dataset_json or args.predictions / "dataset.json")
    predictions = find_predictions(args.predictions, dataset_json)
    way = way_back(dataset_json, args.layout, keep_labels=args.bids)
    targets = bids_targets(args.out, predictions) if args.bids else targets_in(args.out, predictions, way)
    texts = bids_files(args.out, predictions, way, args.sources) if args.bids else {}
    require_free(texts)
    changes = ", ".join(f"{value} becomes {native}" for value, native in way.changes.items())
    print(f"{len(predictions)} cases; labels: {way.title} ({changes or 'no value changes'})", flush=True)
    convert_back(predictions, targets, way, _show)
    write_texts(texts)
    return 0


def _show(written: "Written") -> None:
    print(f"{written.case}: {written.file}{'' if written.is_new else ' (there already)'}", flush=True)
