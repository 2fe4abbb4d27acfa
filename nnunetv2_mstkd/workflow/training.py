"""`python -m nnunetv2_mstkd.workflow.training FOLDER -- COMMAND`: nnUNetv2_train that may be called again (L0).

nnU-Net trains a fold anew each time it is called, unless it is told to continue. A job that a cluster killed and starts
again cannot know which of the two is right. The folder knows. It also keeps the command, so that a training is not
taken for one with other options.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.whole_file import whole_file
from nnunetv2_mstkd.workflow.child import run

FINAL, LATEST = "checkpoint_final.pth", "checkpoint_latest.pth"
RECORD = "mstkd_command.txt"


def command_to_run(folder: Path, command: Sequence[str]) -> list[str] | None:
    """Return the command that takes a fold to its end; None if it is there.

    nnU-Net writes the final checkpoint, and then deletes the latest. Where both are, it was killed in between, or while
    it wrote the final one: that one is set aside, as nnU-Net would continue from it.

    Args:
        folder: fold_X of the model folder; it need not exist.
        command: that starts a new training. It is recorded in the folder if it does.

    Raises:
        SettingsError: if the training that is there was started by another command. One without a record, from
            elsewhere, is taken as it is.
    """
    final, latest = folder / FINAL, folder / LATEST
    if not final.is_file() and not latest.is_file():
        _record(folder, command)
        return list(command)
    _require_same(folder / RECORD, command)
    if not latest.is_file():
        return None
    if final.is_file():
        os.replace(final, folder / f"previous_{FINAL}")
    return [*command, "--c"]


def _record(folder: Path, command: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / RECORD) as temporary:
        temporary.write_text(_line(command) + "\n", encoding="utf-8")


def _require_same(record: Path, command: Sequence[str]) -> None:
    if not record.is_file():
        return
    before, now = record.read_text(encoding="utf-8").strip(), _line(command)
    if before != now:
        raise SettingsError(
            f"{record.parent} was trained by another command:\n  before: {before}\n  now:    {now}\n"
            "Take the change back, or delete the folder to train it anew. If the weights would be no others, delete "
            f"{record.name} in it."
        )


def _line(command: Sequence[str]) -> str:
    """Return a command as it would be typed, without its device: a training may go on elsewhere."""
    if "-device" not in command:
        return shlex.join(command)
    place = list(command).index("-device")
    return shlex.join([*command[:place], *command[place + 2 :]])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, if there is anything left to do, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.workflow.training", description=__doc__)
    parser.add_argument("folder", type=Path, help="fold_X of the model folder")
    parser.add_argument("command", nargs="+", help="nnUNetv2_train with all options but --c")
    args = parser.parse_args(argv)
    try:
        command = command_to_run(args.folder, args.command)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if command is None:
        print(f"{args.folder}: trained already")
        return 0
    print(shlex.join(command), flush=True)
    return run(command)


if __name__ == "__main__":
    raise SystemExit(main())
