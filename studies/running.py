"""Runs the trials of a study, two at a time, and keeps what is done."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

# Before torch and nnU-Net are loaded, here and in the processes of the runs.
os.environ.update(nnUNet_n_proc_DA="0", nnUNet_def_n_proc="1", nnUNet_compile="f", MPLBACKEND="Agg")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.pop("MSTKD_MODALITIES", None)

from trial import Trial, run_trial

AT_A_TIME = 2  # one thread each: on two cores the best throughput


def run_trials(trials: Sequence[Trial]) -> None:
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


def _report_run(label: str, future: Future) -> bool:
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
