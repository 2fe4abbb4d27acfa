"""`mstkd import`: checks an archive of a model and installs it (L4)."""

import argparse
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("archive", type=Path, help="zip file of mstkd export or nnUNetv2_export_model_to_zip")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where to (default: $nnUNet_results)")
    parser.add_argument("--overwrite", action="store_true", help="replace a model that exists, the whole folder")
    parser.add_argument(
        "--trust-checkpoint", action="store_true", help="take models that could execute code: only your own"
    )


def run(args: argparse.Namespace) -> int:
    """Install what is in the archive and say what is not; warnings do not count."""
    from nnunetv2_mstkd.sharing.model_import import import_model

    imported = import_model(
        args.archive, args.results, overwrite=args.overwrite, trust_checkpoint=args.trust_checkpoint
    )
    for folder in imported.folders:
        print(f"{folder}: ready for mstkd predict -m")
    for warning in imported.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if imported.left_out:
        print(f"warning: left out, not needed to predict: {', '.join(imported.left_out)}", file=sys.stderr)
    if any(name.endswith(".pkl") for name in imported.left_out):
        print("warning: nnU-Net would execute what a .pkl file says; postprocessing needs them", file=sys.stderr)
    return 0
