"""`mstkd export`: writes a trained model as an archive for others (L4)."""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="model folder, <trainer>__<plans>__<configuration>")
    parser.add_argument("out", type=Path, help="zip file to write")
    parser.add_argument("-f", nargs="+", metavar="FOLD", help="folds (default: all that are trained)")
    parser.add_argument("-chk", default="checkpoint_final.pth", help="checkpoint (default: %(default)s)")
    parser.add_argument(
        "--licence", metavar="TEXT", help="of the weights: a file, or an identifier such as CC-BY-4.0 (default: none)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the zip file if it exists")
    parser.add_argument(
        "--trust-checkpoint", action="store_true", help="load checkpoints that could execute code: only your own"
    )


def run(args: argparse.Namespace) -> int:
    """Write the archive and say what is in it."""
    from nnunetv2_mstkd.sharing.model_export import export_model

    exported = export_model(
        args.model,
        args.out,
        args.f,
        args.chk,
        licence=args.licence,
        overwrite=args.overwrite,
        trust_checkpoint=args.trust_checkpoint,
    )
    print(exported.folder)
    for name, size in exported.sizes.items():
        before = args.model / name
        was = f" (was {_readable(before.stat().st_size)})" if before.suffix == ".pth" else ""
        print(f"  {_readable(size):>9}  {name}{was}")
    print(f"{exported.archive}: {_readable(exported.archive.stat().st_size)}")
    if args.licence is None:
        print("No licence is stated: its file LICENSE says what to consider, --licence states one")
    return 0


def _readable(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e5 else f"{num_bytes / 1e3:.1f} kB"
