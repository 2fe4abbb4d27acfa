"""`mstkd demo`: the main job end to end, on simulated patients, in a folder of its own (L4)."""

import argparse
import contextlib
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_mstkd.cli.interruption import interrupted_by_signals

if TYPE_CHECKING:
    from nnunetv2_mstkd.demo.recipe import Recipe

DEFAULT_FOLDER = "mstkd_demo"
MAX_PROCESSES = 8  # as many as nnU-Net itself takes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(DEFAULT_FOLDER), help="where to work (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="a small cohort and one epoch: minutes, and poor models")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto", help="default: cuda if there is one"
    )


def run(args: argparse.Namespace) -> int:
    """Run what is not done yet; a second call goes on where the first one stopped."""
    from nnunetv2_mstkd.demo.recipe import FULL, QUICK

    try:
        with interrupted_by_signals():
            _run(args.folder.resolve(), QUICK if args.quick else FULL, args.device)
    except KeyboardInterrupt:
        options = (*(["--quick"] if args.quick else []), *(["--device", args.device] if args.device != "auto" else []))
        again = shlex.join(["mstkd", "demo", str(args.folder), *options])
        print(f"\nInterrupted. To go on from here: {again}", file=sys.stderr)
        return 1
    return 0


def _run(root: Path, recipe: "Recipe", device: str) -> None:
    from nnunetv2_mstkd.cores import available_cores
    from nnunetv2_mstkd.demo.demonstration import demonstrate
    from nnunetv2_mstkd.demo.folder import DemoFolder

    folder = DemoFolder(root)
    folder.open()
    _require_healthy_installation()
    processes = min(MAX_PROCESSES, available_cores())
    demonstrate(folder, recipe, _available_device() if device == "auto" else device, processes)


def _require_healthy_installation() -> None:
    """Check that nnU-Net finds our planner and our trainers, before minutes are spent.

    Raises:
        DemoError: with the doctor's first finding and the line that mends it.
    """
    from nnunetv2_mstkd.doctor import diagnose
    from nnunetv2_mstkd.doctor.discovery import check_planners, check_trainers
    from nnunetv2_mstkd.doctor.placement import check_nnunet
    from nnunetv2_mstkd.errors import DemoError

    # nnU-Net prints while it searches, and torch warns
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings = diagnose(checks=(check_nnunet, check_planners, check_trainers))
    for finding in findings:
        if finding.status != "ok":
            raise DemoError(f"{finding.name}: {finding.detail}. Mend: {finding.mend}")


def _available_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
