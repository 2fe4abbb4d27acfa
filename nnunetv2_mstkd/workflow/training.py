"""`python -m nnunetv2_mstkd.workflow.training FOLDER -- COMMAND`: nnUNetv2_train that may be called again (L0).

nnU-Net trains a fold anew each time it is called, unless it is told to continue. A job that a cluster killed and starts
again cannot know which of the two is right. The folder knows.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

FINAL, LATEST = "checkpoint_final.pth", "checkpoint_latest.pth"


def command_to_run(folder: Path, command: Sequence[str]) -> list[str] | None:
    """Return the command that takes a fold to its end; None if it is there.

    nnU-Net writes the final checkpoint, and then deletes the latest. Where both are, it was killed in between, or while
    it wrote the final one: that one is set aside, as nnU-Net would continue from it.

    Args:
        folder: fold_X of the model folder; it need not exist.
        command: that starts a new training.
    """
    final, latest = folder / FINAL, folder / LATEST
    if not latest.is_file():
        return None if final.is_file() else list(command)
    if final.is_file():
        os.replace(final, folder / f"previous_{FINAL}")
    return [*command, "--c"]


def main(argv: Sequence[str] | None = None) -> int:
    """Become the command, so that a scheduler's signals reach it."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.workflow.training", description=__doc__)
    parser.add_argument("folder", type=Path, help="fold_X of the model folder")
    parser.add_argument("command", nargs="+", help="nnUNetv2_train with all options but --c")
    args = parser.parse_args(argv)
    command = command_to_run(args.folder, args.command)
    if command is None:
        print(f"{args.folder}: trained already")
        return 0
    print(" ".join(command), flush=True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    raise SystemExit(main())
