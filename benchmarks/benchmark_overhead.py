"""What a benchmark costs besides the network: `mstkd benchmark` against stock commands for the same 15 subsets.

On simulated patients at 1 mm, with random weights: 15 x `nnUNetv2_predict` of zero-filled files (writing these is not
counted) and 15 x `nnUNetv2_evaluate_folder`, against one `mstkd benchmark` without its report. Both sides predict with
nnU-Net's own sliding window in float32 on the CPU; the time inside of it is the forward time, all else is overhead.

Two plans: what nnU-Net's default planner makes of the cohort ("BraTS plan": 32 to 320 features), and the same with 2 to
4 features, so that the overhead is not lost in the noise of the forward passes. The overhead is measured with the light
one; the forward time of the BraTS plan with a few of the subsets, since each takes as long as any other.

    python benchmarks/benchmark_overhead.py WORK            # resumable: what WORK/overhead.json has is not repeated
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NUMBER, DATASET, CONFIGURATION = 930, "Dataset930_Overhead", "3d_fullres"
BRATS, LIGHT = "nnUNetPlans", "nnUNetPlansLight"
LIGHT_FEATURES = (2, 2, 4)
MODALITIES = ("T1", "T1ce", "T2", "FLAIR")
REPORTED = "FORWARD_SECONDS="


def main() -> None:
    """Measure what is not measured yet, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder to work in")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=2, help="paired runs, A B A B")
    parser.add_argument("--brats-subsets", nargs="*", default=["FLAIR"], help="whose forward time is measured")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    _set_folders(work)
    prepare(work, arguments.cases)
    record = Record(work / "overhead.json")
    for pair in range(arguments.pairs):
        record.measure(f"stock {pair}", lambda: stock(work))
        record.measure(f"ours {pair}", lambda pair=pair: ours(work, LIGHT, work / f"ours_{pair}"))
    if arguments.brats_subsets:
        target = work / "ours_brats"
        record.measure("brats", lambda: ours(work, BRATS, target, ("--subsets", *arguments.brats_subsets)))
    report(record.entries, arguments.cases, len(arguments.brats_subsets))


# the data ------------------------------------------------------------------------------------------------------------


def _set_folders(work: Path) -> None:
    for name in ("raw", "preprocessed", "results"):
        (work / name).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{name}"] = str(work / name)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def prepare(work: Path, cases: int) -> None:
    """Write the cohort, the plans, a model of each plan, and the zero-filled files."""
    raw = work / "raw" / DATASET
    _call("mstkd", "cohort", str(raw), "--cases", "3", "--test-cases", str(cases), "--spacing", "1")
    plans = work / "preprocessed" / DATASET / f"{BRATS}.json"
    if not plans.is_file():
        _call("nnUNetv2_plan_and_preprocess", "-d", str(NUMBER), "-c", CONFIGURATION, "--no_pp")
    for name, features in ((BRATS, None), (LIGHT, LIGHT_FEATURES)):
        _write_model(work, raw, name, features)
    for subset in _subsets():
        _zero_fill(raw, work / "inputs" / str(subset), subset)


def _subsets() -> tuple[Any, ...]:
    from nnunetv2_mstkd.modalities import Modalities

    return Modalities(MODALITIES).subsets()


def model_folder(work: Path, plans_name: str) -> Path:
    """Return where the model of a plan is."""
    return work / "results" / DATASET / f"nnUNetTrainer__{plans_name}__{CONFIGURATION}"


def _write_model(work: Path, raw: Path, plans_name: str, features: tuple[int, ...] | None) -> None:
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    folder = model_folder(work, plans_name)
    if (folder / "fold_0" / "checkpoint_final.pth").is_file():
        return
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    plans = json.loads((work / "preprocessed" / DATASET / f"{BRATS}.json").read_text())
    plans["plans_name"] = plans_name
    architecture = plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"]
    if features:
        stages = architecture["n_stages"]
        architecture["features_per_stage"] = [features[min(i, len(features) - 1)] for i in range(stages)]
        architecture["n_conv_per_stage"] = [1] * stages
        architecture["n_conv_per_stage_decoder"] = [1] * (stages - 1)
    dataset_json = json.loads((raw / "dataset.json").read_text())
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset_json))
    manager = PlansManager(plans)
    torch.manual_seed(0)
    network = nnUNetTrainer.build_network_architecture(
        manager, manager.get_configuration(CONFIGURATION), len(MODALITIES), 3, False
    )
    checkpoint = {
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": CONFIGURATION},
        "inference_allowed_mirroring_axes": (0, 1, 2),
        "network_weights": network.state_dict(),
    }
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


def _zero_fill(raw: Path, target: Path, subset: Any) -> None:
    """Write the test cases with zeros for absent channels; present files are linked."""
    import SimpleITK

    if target.is_dir():
        return
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in sorted((raw / "imagesTs").glob("*.nii.gz")):
        channel = int(file.name.removesuffix(".nii.gz")[-4:])
        if subset.present[channel]:
            (partial / file.name).symlink_to(file)
        else:
            SimpleITK.WriteImage(SimpleITK.ReadImage(str(file)) * 0, str(partial / file.name))
    partial.rename(target)


# the two sides -------------------------------------------------------------------------------------------------------


def stock(work: Path) -> dict[str, float]:
    """Predict and evaluate each subset by nnU-Net's commands; return seconds."""
    total = forward = 0.0
    raw = work / "raw" / DATASET
    for subset in _subsets():
        output = work / "stock" / str(subset)
        shutil.rmtree(output, ignore_errors=True)
        arguments = ("-d", str(NUMBER), "-c", CONFIGURATION, "-f", "0", "-p", LIGHT, "-device", "cpu", "--disable_tta")
        seconds, inside = _timed(
            "nnUNetv2_predict", *arguments, "-i", str(work / "inputs" / str(subset)), "-o", str(output)
        )
        files = ("-djfile", str(output / "dataset.json"), "-pfile", str(output / "plans.json"))
        evaluation, _ = _timed("nnUNetv2_evaluate_folder", str(raw / "labelsTs"), str(output), *files)
        print(f"  {subset}: {seconds:.1f} s, {inside:.1f} s of it forward; evaluation {evaluation:.1f} s", flush=True)
        total, forward = total + seconds + evaluation, forward + inside
    return {"total": total, "forward": forward}


def ours(work: Path, plans_name: str, output: Path, options: tuple[str, ...] = ()) -> dict[str, float]:
    """Run `mstkd benchmark`; return seconds."""
    shutil.rmtree(output, ignore_errors=True)
    raw = work / "raw" / DATASET
    images = ("-i", str(raw / "imagesTs"), "-l", str(raw / "labelsTs"))
    model = ("-m", f"{plans_name}={model_folder(work, plans_name)}", "-f", "0")
    common = ("-device", "cpu", "--disable_tta", "--no-report", "-o", str(output), *options)
    total, forward = _timed("mstkd", "benchmark", *images, *model, *common)
    return {"total": total, "forward": forward}


def _timed(*command: str) -> tuple[float, float]:
    """Run a command in a process of its own; return its seconds, and those inside of nnU-Net's sliding window."""
    started = time.perf_counter()
    process = subprocess.run(
        [sys.executable, __file__, "--inside", *command], stdout=subprocess.PIPE, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{process.stdout[-3000:]}")
    reported = [line for line in process.stdout.splitlines() if line.startswith(REPORTED)]
    return seconds, float(reported[-1].removeprefix(REPORTED)) if reported else 0.0


def inside(command: list[str]) -> None:
    """Be one of the commands, and print the seconds inside of the sliding window at the end."""
    with _counted_forward() as seconds:
        sys.argv = command
        _entry_point(command[0])()
    print(f"\n{REPORTED}{sum(seconds)}", flush=True)


@contextlib.contextmanager
def _counted_forward() -> Iterator[list[float]]:
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    seconds: list[float] = []
    original = nnUNetPredictor.predict_sliding_window_return_logits

    def counted(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = original(*args, **kwargs)
        seconds.append(time.perf_counter() - started)
        return result

    nnUNetPredictor.predict_sliding_window_return_logits = counted
    yield seconds


def _entry_point(name: str) -> Any:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="console_scripts", name=name)
    return found.load()


def _call(*command: str) -> None:
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True)


# the record ----------------------------------------------------------------------------------------------------------


class Record:
    """Measurements, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.entries: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.is_file() else {}

    def measure(self, name: str, run: Any) -> None:
        """Measure unless it is on record, and say what came out."""
        if name not in self.entries:
            self.entries[name] = run()
            self.entries[name]["peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            self._file.write_text(json.dumps(self.entries, indent=2))
        entry = self.entries[name]
        print(f"{name}: {entry['total']:.1f} s, {entry['forward']:.1f} s of it forward", flush=True)


def report(entries: dict[str, dict[str, float]], cases: int, brats_subsets: int) -> None:
    """Print the ratios."""
    overhead = {
        side: [e["total"] - e["forward"] for name, e in entries.items() if name.startswith(side)]
        for side in ("stock", "ours")
    }
    ratios = [ours / stock for ours, stock in zip(overhead["ours"], overhead["stock"], strict=True)]
    print(f"\n{cases} cases, {len(_subsets())} subsets, plan {LIGHT}, {os.cpu_count()} cores")
    for side, seconds in overhead.items():
        print(f"overhead, {side}: {', '.join(f'{s:.1f}' for s in seconds)} s")
    print(f"overhead, ours over stock: {', '.join(f'{r:.3f}' for r in ratios)}; bar: 0.25")
    if "brats" in entries:
        forward = entries["brats"]["forward"] / brats_subsets * len(_subsets())
        own = statistics.median(overhead["ours"])
        print(
            f"forward of {BRATS}, {len(_subsets())} subsets, no mirroring: {forward:.0f} s (from {brats_subsets}); "
            f"overhead is {own / (own + forward):.1%} of the total; bar: 10 %"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2:])
    else:
        main()
