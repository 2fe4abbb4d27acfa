"""The whole demonstration: commands, and what came out (L2)."""

import json
import shlex
import time

from nnunetv2_mstkd.demo.folder import RECORD, DemoFolder
from nnunetv2_mstkd.demo.progress import Display, clock
from nnunetv2_mstkd.demo.recipe import Recipe
from nnunetv2_mstkd.demo.record import Record
from nnunetv2_mstkd.demo.runner import Runner
from nnunetv2_mstkd.demo.steps import report_of, steps_of

SUMMARY = "summary.json"


def demonstrate(folder: DemoFolder, recipe: Recipe, device: str, processes: int) -> None:
    """Run what is not done yet, then show what came out.

    Args:
        folder: an opened folder.
        recipe: what to compare.
        device: cpu, cuda or mps.
        processes: worker processes that this machine can use.

    Raises:
        DemoError: if a command fails.
    """
    display, started = Display(), time.monotonic()
    environment = environment_of(folder, processes)
    record = Record.read(folder.root / RECORD)
    display.say(f"$ cd {shlex.quote(str(folder.root))}")
    for name, value in environment.items():
        display.say(f"$ export {name}={shlex.quote(value)}")
    Runner(folder.root, environment, record, display).run(steps_of(recipe, folder, device, processes))
    _show_results(folder, display)
    display.say(f"Took {clock(time.monotonic() - started)}; the commands alone: {clock(record.seconds)}")


def environment_of(folder: DemoFolder, processes: int) -> dict[str, str]:
    """Return the variables that all commands get."""
    return {
        **{f"nnUNet_{name}": str(folder.root / name) for name in ("raw", "preprocessed", "results")},
        "nnUNet_def_n_proc": str(processes),
        "nnUNet_n_proc_DA": str(max(1, processes // 2)),  # the other half is for the network
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait take the cores from the worker processes
    }


def _show_results(folder: DemoFolder, display: Display) -> None:
    report = report_of(folder)
    summary = json.loads((report.parent / SUMMARY).read_text(encoding="utf-8"))
    display.say(f"\n{summary['headline']['text']}\n")
    display.say(f"Report, which any browser opens: {report}")
    display.say(f"Predictions with sequences missing: {folder.root / folder.predictions}")
