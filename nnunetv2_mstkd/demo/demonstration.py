"""The whole demonstration: commands, table and picture (L2)."""

import shlex
import time

from nnunetv2_mstkd.demo.dice import read_scores
from nnunetv2_mstkd.demo.folder import RECORD, DemoFolder
from nnunetv2_mstkd.demo.picture import draw_picture
from nnunetv2_mstkd.demo.progress import Display, clock
from nnunetv2_mstkd.demo.recipe import Recipe
from nnunetv2_mstkd.demo.record import Record
from nnunetv2_mstkd.demo.runner import Runner
from nnunetv2_mstkd.demo.steps import steps_of
from nnunetv2_mstkd.demo.table import csv_table, markdown_table

TABLE, CSV, PICTURE = "dice.md", "dice.csv", "demo.png"


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
    _show_results(folder, recipe, display)
    display.say(f"Took {clock(time.monotonic() - started)}; the commands alone: {clock(record.seconds)}")


def environment_of(folder: DemoFolder, processes: int) -> dict[str, str]:
    """Return the variables that all commands get."""
    return {
        **{f"nnUNet_{name}": str(folder.root / name) for name in ("raw", "preprocessed", "results")},
        "nnUNet_def_n_proc": str(processes),
        "nnUNet_n_proc_DA": str(max(1, processes // 2)),  # the other half is for the network
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait take the cores from the worker processes
    }


def _show_results(folder: DemoFolder, recipe: Recipe, display: Display) -> None:
    scores = read_scores(folder, recipe)
    table = markdown_table(scores, recipe)
    (folder.root / TABLE).write_text(table, encoding="utf-8")
    (folder.root / CSV).write_text(csv_table(scores), encoding="utf-8")
    draw_picture(folder, recipe, scores, folder.root / PICTURE)
    display.say(f"\n{table}")
    display.say(f"Picture: {folder.root / PICTURE}; table: {folder.root / TABLE}, {CSV}")
