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
import multiprocessing
import os
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

# Before torch and nnU-Net are loaded, here and in the processes of the runs.
os.environ.update(nnUNet_n_proc_DA="0", nnUNet_def_n_proc="1", nnUNet_compile="f", MPLBACKEND="Agg")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.pop("MSTKD_MODALITIES", None)

from arms import ARMS, find_arm
from study_data import Cohort, prepare
from trial import Schedule, Trial, run_trial

AT_A_TIME = 2  # one thread each: on two cores the best throughput


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    trials = _trials(arguments)
    if arguments.command == "run":
        _run(trials)
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


def _run(trials: list[Trial]) -> None:
    """Run the trials that have no result yet, each in a fresh process, and say after each what is left."""
    left = [trial for trial in trials if not trial.result_file.is_file()]
    print(f"{len(trials) - len(left)} of {len(trials)} runs are done, {len(left)} to go", flush=True)
    # Forked from a server that has loaded torch but run nothing: a fresh process without its import of ten seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trial"])
    started, failed = time.perf_counter(), 0
    with ProcessPoolExecutor(AT_A_TIME, mp_context=context, max_tasks_per_child=1) as pool:
        futures = {pool.submit(run_trial, trial): trial for trial in left}
        for done, future in enumerate(as_completed(futures), start=1):
            failed += not _report_run(futures[future].label, future)
            elapsed = time.perf_counter() - started
            print(f"  {done}/{len(left)}, {elapsed / 60:.1f} min, about "
                  f"{elapsed / done * (len(left) - done) / 60:.1f} min left", flush=True)  # fmt: skip
    if failed:
        raise SystemExit(f"{failed} runs failed; the others are kept, start again to repeat these")


def _report_run(label: str, future: object) -> bool:
    """Print a run's line; a failed one must not stop the others."""
    try:
        result = future.result()
    except Exception:
        print(f"{label} FAILED\n{traceback.format_exc()}", flush=True)
        return False
    values = [v for regions in result["dice"].values() for cases in regions.values() for v in cases.values()]
    seconds = f"{result['seconds_training']:.0f} + {result['seconds_scoring']:.0f} s"
    print(f"{label}: mean Dice {sum(values) / len(values):.4f} ({seconds})", flush=True)
    return True


if __name__ == "__main__":
    main()
