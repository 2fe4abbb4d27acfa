"""Cheaper teachers: what a training costs with each kind of teacher, and what Dice it gives.

    python studies/cheaper_teachers.py run --work FOLDER       # resumable; two runs at a time
    python studies/cheaper_teachers.py report --work FOLDER    # Markdown tables, summary.json, cost.json

Compared are one network for both (the default), a second network, the running mean of the student, two frozen
teachers, and the second network in bfloat16. The frozen teachers are models of this study, of the same repeat: the
student of the second network's run, and stock nnU-Net, which teaches by its logits alone; their own training is not in
the cost of a step. Everything else is as in first_evidence.py. Peak memory is that of a whole process, Python and torch
included.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from running import run_trials  # first: it sets the environment before torch and nnU-Net are loaded

from arms import CHEAPER_ARMS, TEACHING_ARMS, find_arm  # isort: skip
from evidence_report import write_report
from evidence_statistics import Result, arm_spread, of_arm
from study_data import Cohort, prepare
from trial import Schedule, Trial

from nnunetv2_mstkd.whole_file import whole_file

BASELINE = "shared"


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    trials = _trials(arguments)
    if arguments.command == "run":
        run_trials([trial for trial in trials if trial.name in TEACHING_ARMS])  # to the end: others need their models
        run_trials([trial for trial in trials if trial.name not in TEACHING_ARMS])
        return
    results = [result for trial in trials if (result := trial.result())]
    if results:
        print(cost_table(results, arguments.work), end="\n\n")
    print(write_report(results, arguments.work, arguments.against, tuple(CHEAPER_ARMS)))


def cost_table(results: Sequence[Result], work: Path) -> str:
    """Write cost.json into `work` and return its table as Markdown: a row per arm, each the median of its repeats."""
    costs = {arm: _cost(results, arm) for arm in CHEAPER_ARMS if of_arm(results, arm)}
    with whole_file(work / "cost.json") as temporary:
        temporary.write_text(json.dumps(costs, indent=1))
    lines = ["| teacher | n | s a step | of the default | peak MB | Dice mean |", "|---|---|---|---|---|---|"]
    for arm, cost in costs.items():
        ratio = f"{cost['seconds_step'] / costs[BASELINE]['seconds_step']:.2f}" if BASELINE in costs else ""
        dice = f"{100 * cost['dice']:.1f} ± {100 * cost['dice_sd']:.1f}"
        lines.append(
            f"| {arm} | {cost['runs']} | {cost['seconds_step']:.3f} | {ratio} | {cost['peak_mb']:.0f} | {dice} |"
        )
    return "\n".join(lines)


def _cost(results: Sequence[Result], arm: str) -> dict[str, float]:
    runs, dice = of_arm(results, arm).values(), arm_spread(results, arm)["mean"]
    return {
        "runs": len(runs),
        "seconds_step": statistics.median(run["seconds_step"] for run in runs),
        "peak_mb": statistics.median(run["peak_mb"] for run in runs),
        "dice": dice.mean,
        "dice_sd": dice.sd,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--work", type=Path, required=True, help="the study's folder")
    parser.add_argument("--arms", default=",".join(CHEAPER_ARMS), help="names, comma-separated (default: all)")
    parser.add_argument("--against", default=BASELINE, help="report: the arm that the others are compared with")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=Schedule.iterations)
    parser.add_argument("--epochs", type=int, default=Schedule.epochs)
    parser.add_argument("--cases", type=int, default=Cohort.cases, help="training cases of a new cohort")
    parser.add_argument("--test-cases", type=int, default=Cohort.test_cases, help="test cases of a new cohort")
    parser.add_argument("--spacing", type=float, default=Cohort.spacing_mm, help="mm, of a new cohort")
    return parser


def _trials(arguments: argparse.Namespace) -> list[Trial]:
    """Return the trials in running order, those that others learn from included."""
    names = arguments.arms.split(",")
    teaching = [find_arm(name).frozen_teacher for name in names]
    every = dict.fromkeys([*(name for name in teaching if name), *names])
    cohort = Cohort(arguments.cases, arguments.test_cases, arguments.spacing)
    data = prepare(arguments.work.resolve(), cohort)
    schedule = Schedule(arguments.iterations, arguments.epochs)
    return [
        Trial(name, find_arm(name), repeat, schedule, data) for repeat in range(arguments.repeats) for name in every
    ]


if __name__ == "__main__":
    main()
