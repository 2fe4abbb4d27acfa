"""`python -m nnunetv2_mstkd.workflow.planning RECORD PLANS -- COMMAND`: plan a dataset once (L0).

Planning again replaces the plans under the models that were trained with them. So what was planned is recorded beside
the plans: the same command does nothing a second time, and another command for the same plans is refused.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.whole_file import whole_file
from nnunetv2_mstkd.workflow.child import run


def plan_once(record: Path, plans: str, command: Sequence[str]) -> int:
    """Run a command unless the record says that it was run, and return its exit code.

    Args:
        record: JSON file of commands by the plans that they made.
        plans: what the command is to make.
        command: of nnU-Net.

    Raises:
        SettingsError: if the plans were made by another command.
    """
    made: dict[str, str] = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    line = shlex.join(command)
    if made.get(plans, line) != line:
        raise SettingsError(
            f"{plans} was planned by another command:\n  before: {made[plans]}\n  now:    {line}\n"
            f"Take the change back. To plan anew, under models that may be trained already, delete {record}"
        )
    if line in made.values():
        print(f"planned already; to plan anew delete {record}")
        return 0
    print(line, flush=True)
    code = run(command)
    if code == 0:
        with whole_file(record) as temporary:
            temporary.write_text(json.dumps({**made, plans: line}, indent=2), encoding="utf-8")
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Plan, unless it is done."""
    parser = argparse.ArgumentParser(prog="python -m nnunetv2_mstkd.workflow.planning", description=__doc__)
    parser.add_argument("record", type=Path, help="file beside the plans")
    parser.add_argument("plans", help="what the command is to make")
    parser.add_argument("command", nargs="+", help="nnUNetv2_plan_and_preprocess and its options")
    args = parser.parse_args(argv)
    try:
        return plan_once(args.record, args.plans, args.command)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
