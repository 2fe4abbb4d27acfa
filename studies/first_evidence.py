"""First evidence: MST-KD, its ablations and the baselines, trained and scored on one small cohort.

    python studies/first_evidence.py run --work FOLDER         # resumable; two runs at a time
    python studies/first_evidence.py report --work FOLDER      # Markdown tables, summary.json, subsets.png

Everything lives in FOLDER: the cohort with nnU-Net's three folders, one JSON per finished run in runs/. Every run is
a real trainer of nnU-Net's lookup on data that the stock commands planned and preprocessed, trained on all training
cases (`-f all`) and scored on the held-out test cases: 15 subsets, nnU-Net's sliding window without mirroring, the
final checkpoint through the stock predictor, Dice in the original geometry.

Repeats differ in their seed (weights, batches, subsets); all arms of one repeat see the same batches. Stock nnU-Net
takes no seed: here it is given one from outside, in a single process. A result is reused only for equal settings,
schedule and data; changed code is not seen, so delete runs/ when it matters (the report names the code's versions).
"""

import argparse
from pathlib import Path

from running import run_trials  # first: it sets the environment before torch and nnU-Net are loaded

from arms import ARMS, find_arm  # isort: skip
from study_data import Cohort, prepare
from trial import Schedule, Trial


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    trials = _trials(arguments)
    if arguments.command == "run":
        run_trials(trials)
        return
    from evidence_report import write_report

    print(write_report([result for trial in trials if (result := trial.result())], arguments.work, arguments.against))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--work", type=Path, required=True, help="the study's folder")
    parser.add_argument("--arms", default=",".join(ARMS), help="names, comma-separated (default: those of the issue)")
    parser.add_argument("--against", default="dropout", help="report: the arm that the others are compared with")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=Schedule.iterations)
    parser.add_argument("--epochs", type=int, default=Schedule.epochs)
    parser.add_argument("--cases", type=int, default=Cohort.cases, help="training cases of a new cohort")
    parser.add_argument("--test-cases", type=int, default=Cohort.test_cases, help="test cases of a new cohort")
    parser.add_argument("--spacing", type=float, default=Cohort.spacing_mm, help="mm, of a new cohort")
    parser.add_argument("--cohort-seed", type=int, default=Cohort.seed, help="of a new cohort")
    parser.add_argument("--gpu-memory-target", type=float, default=Cohort.gpu_memory_target, help="GB, of a new plan")
    parser.add_argument("--plans-name", default=Cohort.plans_name, help="of the plan, planned if it is not there")
    return parser


def _trials(arguments: argparse.Namespace) -> list[Trial]:
    """Return the trials in running order: all arms of the first repeat, then of the second."""
    cohort = Cohort(
        cases=arguments.cases,
        test_cases=arguments.test_cases,
        spacing_mm=arguments.spacing,
        seed=arguments.cohort_seed,
        gpu_memory_target=arguments.gpu_memory_target,
        plans_name=arguments.plans_name,
    )
    data = prepare(arguments.work.resolve(), cohort)
    schedule = Schedule(arguments.iterations, arguments.epochs)
    names = arguments.arms.split(",")
    return [Trial(n, find_arm(n), repeat, schedule, data) for repeat in range(arguments.repeats) for n in names]


if __name__ == "__main__":
    main()
