"""The nine methods under one protocol: same cohort, plan, batches, iterations and scoring; their costs beside it.

    python studies/method_comparison.py run --work FOLDER       # resumable; two runs at a time, two hours in all
    python studies/method_comparison.py costs --work FOLDER     # parameters, FLOPs, seconds; nothing may run beside it
    python studies/method_comparison.py report --work FOLDER    # Markdown tables, comparison.json, summary.json

Compared are nnU-Net with zeros for what is missing, modality dropout, MST-KD and the six methods of its paper's table,
all with one model for all subsets. The six have the relative loss weights of their authors, MST-KD has the defaults
of this package; `mstkd_converted` has the weights of its paper. Everything else is as in
first_evidence.py, on a cohort of its own: no setting of any method was chosen on it. All methods of a repeat run before
the next repeat begins, and a repeat begins only if it will end within --hours, judged by those before.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from running import AT_A_TIME, run_trials  # first: it sets the environment before torch and nnU-Net are loaded

from arms import COMPARED_ARMS, find_arm  # isort: skip
from comparison_table import comparison, comparison_table
from evidence_report import write_report
from study_data import CONFIGURATION, Cohort, StudyData, prepare
from trial import Schedule, Trial

from nnunetv2_mstkd.whole_file import whole_file

# Of the cohort. Seeds 1 and 2 are those on which defaults of MST-KD were looked at.
SEED, NUMBER, NAME = 3, 930, "MethodComparison"
COSTS = "costs.json"
SHOWN = tuple(COMPARED_ARMS)


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    data = prepare(arguments.work.resolve(), _cohort(arguments))
    repeats = _repeats(arguments, data)
    if arguments.command == "run":
        run_repeats(repeats, arguments.hours)
    elif arguments.command == "costs":
        measure_costs(data, arguments.rounds)
    else:
        print(report(repeats, arguments.work, arguments.against))


def run_repeats(repeats: Sequence[Sequence[Trial]], hours: float) -> None:
    """Run repeat after repeat, as many as end within the hours, by what the runs before took."""
    for number, trials in enumerate(repeats):
        spent = hours_spent([trial for earlier in repeats[:number] for trial in earlier])
        begun = any(trial.result_file.is_file() for trial in trials)
        if number and not begun and spent * (number + 1) / number > hours:
            print(f"{number} repeats took {spent:.2f} h; another one would not end within {hours:g} h")
            return
        run_trials(trials)


def hours_spent(trials: Sequence[Trial]) -> float:
    """Return the hours that the finished ones took, as many at a time as are run."""
    results = [result for trial in trials if (result := trial.result())]
    return sum(result["seconds_training"] + result["seconds_scoring"] for result in results) / AT_A_TIME / 3600


def measure_costs(data: StudyData, rounds: int) -> None:
    """Write costs.json for the study's plan, in a process of its own with nnU-Net's threads."""
    script = Path(__file__).parents[1] / "benchmarks" / "method_costs.py"
    plans, dataset_json = data.preprocessed / f"{data.plans_name}.json", data.raw / "dataset.json"
    options = ["--plans", plans, "--dataset-json", dataset_json, "--configuration", CONFIGURATION]
    command = [sys.executable, script, *options, "--rounds", rounds, "--json", data.work / COSTS]
    subprocess.run([str(part) for part in command], check=True)


def report(repeats: Sequence[Sequence[Trial]], work: Path, against: str) -> str:
    """Write comparison.json, summary.json and subsets.png into `work`, and return the tables as Markdown."""
    results = [result for trials in repeats for trial in trials if (result := trial.result())]
    if not results:
        return "No results yet."
    costs = json.loads((work / COSTS).read_text()) if (work / COSTS).is_file() else None
    with whole_file(work / "comparison.json") as temporary:
        temporary.write_text(json.dumps(comparison(results, costs, against), indent=1))
    tables = f"{comparison_table(results, costs, against)}\n\n{write_report(results, work, against, SHOWN)}"
    return f"{line}\n\n{tables}" if (line := mixed_code(results)) else tables


def mixed_code(results: Sequence[dict]) -> str:
    """Return a line if the results are not all of the same code; it is no part of what a run is found by."""
    counts = Counter(result.get("code", "unknown") for result in results)
    told = ", ".join(f"{code} {count}" for code, count in sorted(counts.items()))
    return f"The results are of more than one code (hash and runs: {told})." if len(counts) > 1 else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "costs", "report"))
    parser.add_argument("--work", type=Path, required=True, help="the study's folder")
    parser.add_argument("--arms", default=",".join(COMPARED_ARMS), help="names, comma-separated (default: the nine)")
    parser.add_argument("--against", default="dropout", help="report: the arm that the others are compared with")
    parser.add_argument("--repeats", type=int, default=6, help="at most (default: %(default)s)")
    parser.add_argument("--hours", type=float, default=2.0, help="run: of two cores, in all (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="costs: pairs of steps (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=Schedule.iterations)
    parser.add_argument("--epochs", type=int, default=Schedule.epochs)
    parser.add_argument("--cases", type=int, default=Cohort.cases, help="training cases of a new cohort")
    parser.add_argument("--test-cases", type=int, default=Cohort.test_cases, help="test cases of a new cohort")
    parser.add_argument("--spacing", type=float, default=Cohort.spacing_mm, help="mm, of a new cohort")
    parser.add_argument("--gpu-memory-target", type=float, default=Cohort.gpu_memory_target, help="GB, of a new plan")
    return parser


def _cohort(arguments: argparse.Namespace) -> Cohort:
    return Cohort(
        cases=arguments.cases,
        test_cases=arguments.test_cases,
        spacing_mm=arguments.spacing,
        seed=SEED,
        number=NUMBER,
        name=NAME,
        gpu_memory_target=arguments.gpu_memory_target,
    )


def _repeats(arguments: argparse.Namespace, data: StudyData) -> list[list[Trial]]:
    schedule = Schedule(arguments.iterations, arguments.epochs)
    names = arguments.arms.split(",")
    return [[Trial(name, find_arm(name), r, schedule, data) for name in names] for r in range(arguments.repeats)]


if __name__ == "__main__":
    main()
