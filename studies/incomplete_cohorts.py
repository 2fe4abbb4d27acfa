"""Incomplete cohorts: what training on cases that lack modalities is worth, and what its settings do.

    python studies/incomplete_cohorts.py run --work FOLDER       # resumable; two runs at a time
    python studies/incomplete_cohorts.py report --work FOLDER    # Markdown tables, summary.json

In half of the training cases modalities are missing, T1ce and FLAIR more often than the others; which cases these are
differs from repeat to repeat. Compared are: to know what is absent (this package), to drop the incomplete cases, and to
take their zeros for images; beside them the complete cohort. Everything else is as in first_evidence.py; the dataset is
planned without `-fpe`, whose statistics z-scores do not use.
"""

import argparse
from pathlib import Path

from running import run_trials  # first: it sets the environment before torch and nnU-Net are loaded

from arms import INCOMPLETE_ARMS, find_arm  # isort: skip
from incomplete_data import write_incomplete
from study_data import Cohort, StudyData, prepare, set_folders
from trial import Schedule, Trial

SHARE = 0.5  # of the training cases
SHOWN = ("complete", "known", "dropped", "data")


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    trials = _trials(arguments)
    if arguments.command == "run":
        run_trials(trials)
        return
    from evidence_report import write_report

    results = [result for trial in trials if (result := trial.result())]
    print(write_report(results, arguments.work, arguments.against, SHOWN))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--work", type=Path, required=True, help="the study's folder")
    parser.add_argument("--arms", default=",".join(INCOMPLETE_ARMS), help="names, comma-separated (default: all)")
    parser.add_argument("--against", default="known", help="report: the arm that the others are compared with")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=Schedule.iterations)
    parser.add_argument("--epochs", type=int, default=Schedule.epochs)
    parser.add_argument("--cases", type=int, default=24, help="training cases of a new cohort")
    parser.add_argument("--test-cases", type=int, default=12, help="test cases of a new cohort")
    parser.add_argument("--spacing", type=float, default=Cohort.spacing_mm, help="mm, of a new cohort")
    return parser


def _trials(arguments: argparse.Namespace) -> list[Trial]:
    """Return the trials in running order: all arms of the first repeat, then of the second."""
    work = arguments.work.resolve()
    cohort = Cohort(arguments.cases, arguments.test_cases, arguments.spacing, seed=2, number=920)
    complete = prepare(work / "complete", cohort)
    schedule = Schedule(arguments.iterations, arguments.epochs)
    trials = []
    for repeat in range(arguments.repeats):
        incomplete = _incomplete(complete, work / f"incomplete_{repeat}", cohort, repeat)
        for name in arguments.arms.split(","):
            arm = find_arm(name)
            trials.append(Trial(name, arm, repeat, schedule, incomplete if arm.incomplete else complete))
    return trials


def _incomplete(complete: StudyData, work: Path, cohort: Cohort, repeat: int) -> StudyData:
    """Return the incomplete cohort of a repeat, made, planned and preprocessed if it is not there yet."""
    raw = work / "nnUNet_raw" / f"Dataset{cohort.number + 1 + repeat}_Incomplete"
    if not (raw / "dataset.json").is_file():
        set_folders(work)
        write_incomplete(complete.raw, raw, SHARE, repeat)
    data = prepare(work, cohort)
    if data.configuration != complete.configuration:
        raise SystemExit(f"{data.preprocessed} is planned differently: its arms would not be comparable")
    return data


if __name__ == "__main__":
    main()
