"""What a benchmark costs besides the network: `mstkd benchmark` against stock commands for the same 15 subsets.

On simulated patients at 1 mm, with random weights: 15 x `nnUNetv2_predict` of zero-filled files (writing these is not
counted) and 15 x `nnUNetv2_evaluate_folder`, against one `mstkd benchmark` without its report. Both sides predict with
nnU-Net's own sliding window in float32 on the CPU. Overhead is all else, and is told in two ways: the total without
the time inside of the window, which counts as forward what other threads take from it meanwhile, and the total without
the time that the same windows need with the machine to themselves.

Two plans: what nnU-Net's default planner makes of the cohort ("BraTS plan": 32 to 320 features), and one with 2 to 4
features and a whole head in a patch, so that the overhead is not lost in the noise of the forward passes. The overhead
is measured with the light one; the forward time of the BraTS plan, by itself, with one of the subsets, since each takes
as long as any other. Peak memory is that of the largest single process of a command (no less than this one's). For
Linux.

    python benchmarks/benchmark_overhead.py WORK            # resumable: what WORK/overhead.json has is not repeated
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

NUMBER, DATASET, CONFIGURATION = 930, "Dataset930_Overhead", "3d_fullres"
BRATS, LIGHT = "nnUNetPlans", "nnUNetPlansLight"
LIGHT_FEATURES, LIGHT_PATCH = (2, 4), (160, 192, 160)  # two stages, and a whole head in one patch
MODALITIES = ("T1", "T1ce", "T2", "FLAIR")
SPACING_MM = "1"
ALONE = "forward-alone"  # one of the commands of `inside`
REPORTED = "FORWARD_SECONDS="


def main() -> None:
    """Measure what is not measured yet, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder to work in")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=2, help="paired runs, A B A B")
    parser.add_argument("--brats-cases", type=int, default=8, help="whose forward time is measured, each taken once")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    _set_folders(work)
    prepare(work, arguments.cases)
    record = Record(work / "overhead.json", arguments.cases)
    everything = [str(subset) for subset in _subsets()]
    record.measure("alone", lambda: alone(work, LIGHT, arguments.cases, everything))
    for pair in range(arguments.pairs):
        record.measure(f"stock {pair}", lambda: stock(work))
        record.measure(f"ours {pair}", lambda pair=pair: ours(work, work / f"ours_{pair}"))
    measured = min(arguments.brats_cases, arguments.cases)
    brats = record.measure(f"brats, {measured} cases", lambda: alone(work, BRATS, measured, everything[-1:]))
    print(f"\n{arguments.cases} cases, {len(everything)} subsets, no mirroring, {os.cpu_count()} cores")
    report(record.entries, arguments.pairs, brats["forward"] * len(everything) * arguments.cases / measured)


# the data ------------------------------------------------------------------------------------------------------------


def _set_folders(work: Path) -> None:
    for name in ("raw", "preprocessed", "results"):
        (work / name).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{name}"] = str(work / name)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def prepare(work: Path, cases: int) -> None:
    """Write the cohort, the plans, a model of each plan, and the zero-filled files."""
    raw = work / "raw" / DATASET
    _call("mstkd", "cohort", str(raw), "--cases", "3", "--test-cases", str(cases), "--spacing", SPACING_MM)
    plans = work / "preprocessed" / DATASET / f"{BRATS}.json"
    if not plans.is_file():
        _call("nnUNetv2_plan_and_preprocess", "-d", str(NUMBER), "-c", CONFIGURATION, "--no_pp")
    for name in (BRATS, LIGHT):
        _write_model(work, raw, name)
    for subset in _subsets():
        _zero_fill(raw, work / "inputs" / str(subset), subset)


def _subsets(names: Sequence[str] = ()) -> tuple[Any, ...]:
    from nnunetv2_mstkd.modalities import Modalities

    modalities = Modalities(MODALITIES)
    return tuple(modalities.subset(name) for name in names) or modalities.subsets()


def model_folder(work: Path, plans_name: str) -> Path:
    """Return where the model of a plan is."""
    return work / "results" / DATASET / f"nnUNetTrainer__{plans_name}__{CONFIGURATION}"


def _write_model(work: Path, raw: Path, plans_name: str) -> None:
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    folder = model_folder(work, plans_name)
    if (folder / "fold_0" / "checkpoint_final.pth").is_file():
        return
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    plans = json.loads((work / "preprocessed" / DATASET / f"{BRATS}.json").read_text())
    plans["plans_name"] = plans_name
    if plans_name == LIGHT:
        _lighten(plans["configurations"][CONFIGURATION])
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


def _lighten(configuration: dict[str, Any]) -> None:
    stages = len(LIGHT_FEATURES)
    configuration["patch_size"] = list(LIGHT_PATCH)
    architecture = configuration["architecture"]["arch_kwargs"]
    architecture.update(n_stages=stages, features_per_stage=list(LIGHT_FEATURES))
    architecture.update(n_conv_per_stage=[1] * stages, n_conv_per_stage_decoder=[1] * (stages - 1))
    for name in ("kernel_sizes", "strides"):
        architecture[name] = architecture[name][:stages]


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


# what is measured -----------------------------------------------------------------------------------------------------


def stock(work: Path) -> dict[str, float]:
    """Predict and evaluate each subset by nnU-Net's commands; return seconds."""
    runs: list[dict[str, float]] = []
    raw = work / "raw" / DATASET
    for subset in _subsets():
        output = work / "stock" / str(subset)
        shutil.rmtree(output, ignore_errors=True)
        arguments = ("-d", str(NUMBER), "-c", CONFIGURATION, "-f", "0", "-p", LIGHT, "-device", "cpu", "--disable_tta")
        inputs = str(work / "inputs" / str(subset))
        prediction = _timed("nnUNetv2_predict", *arguments, "-i", inputs, "-o", str(output))
        files = ("-djfile", str(output / "dataset.json"), "-pfile", str(output / "plans.json"))
        evaluation = _timed("nnUNetv2_evaluate_folder", str(raw / "labelsTs"), str(output), *files)
        print(f"  {subset}: {_shown(prediction)}; evaluation {evaluation['total']:.1f} s", flush=True)
        runs += [prediction, evaluation]
    return {key: of(run[key] for run in runs) for key, of in (("total", sum), ("forward", sum), ("peak_mb", max))}


def ours(work: Path, output: Path) -> dict[str, float]:
    """Run `mstkd benchmark`; return seconds."""
    shutil.rmtree(output, ignore_errors=True)
    raw = work / "raw" / DATASET
    images = ("-i", str(raw / "imagesTs"), "-l", str(raw / "labelsTs"))
    model = ("-m", f"{LIGHT}={model_folder(work, LIGHT)}", "-f", "0")
    common = ("-device", "cpu", "--disable_tta", "--no-report", "-o", str(output))
    return _timed("mstkd", "benchmark", *images, *model, *common)


def alone(work: Path, plans_name: str, cases: int, subsets: Sequence[str]) -> dict[str, float]:
    """Predict subsets of the first cases with the machine to itself; `forward` is what counts."""
    images = work / "raw" / DATASET / "imagesTs"
    return _timed(ALONE, str(model_folder(work, plans_name)), str(images), str(cases), *subsets)


def _timed(*command: str) -> dict[str, float]:
    """Run a command in a process of its own; return its seconds, those inside of the sliding window, and its peak."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, __file__, "--inside", *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # of this child alone: RUSAGE_CHILDREN is the maximum over all
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{printed[-3000:]}")
    reported = [float(line.removeprefix(REPORTED)) for line in printed.splitlines() if line.startswith(REPORTED)]
    return {"total": seconds, "forward": reported[-1], "peak_mb": usage.ru_maxrss / 1024}


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


def _predict_alone() -> None:
    """Run the sliding window over preprocessed cases, for each of some subsets, by nnU-Net itself."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    _, model, images, cases, *names = sys.argv
    torch.set_num_threads(os.cpu_count() or 1)  # as nnUNetv2_predict
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(model, (0,), "checkpoint_final.pth")
    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    for first in sorted(Path(images).glob("*_0000.nii.gz"))[: int(cases)]:
        files = [str(first).replace("_0000.nii.gz", f"_{i:04d}.nii.gz") for i in range(len(MODALITIES))]
        settings = predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json
        data, *_ = preprocessor.run_case(files, None, *settings)
        for subset in _subsets(names):
            present = torch.tensor(subset.present)[:, None, None, None]
            predictor.predict_sliding_window_return_logits(torch.from_numpy(data) * present)


def _entry_point(name: str) -> Any:
    if name == ALONE:
        return _predict_alone
    from importlib.metadata import entry_points

    (found,) = entry_points(group="console_scripts", name=name)
    return found.load()


def _call(*command: str) -> None:
    subprocess.run([str(Path(sys.executable).parent / command[0]), *command[1:]], check=True)


# the record ----------------------------------------------------------------------------------------------------------


class Record:
    """Measurements with so many cases, kept in a file with those of other numbers of cases."""

    def __init__(self, file: Path, cases: int) -> None:
        self._file = file
        self._all: dict[str, dict[str, dict[str, float]]] = json.loads(file.read_text()) if file.is_file() else {}
        self.entries = self._all.setdefault(f"{cases} cases", {})

    def measure(self, name: str, run: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Measure unless it is on record, and say what came out."""
        if name not in self.entries:
            self.entries[name] = run()
            self._file.write_text(json.dumps(self._all, indent=2))
        print(f"{name}: {_shown(self.entries[name])}", flush=True)
        return self.entries[name]


def _shown(entry: dict[str, float]) -> str:
    return f"{entry['total']:.1f} s, {entry['forward']:.1f} s of it forward, {entry['peak_mb']:.0f} MB"


def report(entries: dict[str, dict[str, float]], pairs: int, brats_forward: float) -> None:
    """Print the overhead of both sides, their ratio, and what part of a benchmark with the BraTS plan is overhead."""
    print(f"forward of {BRATS}: {brats_forward:.0f} s, of {LIGHT}: {entries['alone']['forward']:.0f} s")
    for title, is_alone in (("its own forward time", False), ("the forward time alone", True)):
        stock_s, ours_s = (
            [run["total"] - (entries["alone"] if is_alone else run)["forward"] for run in runs]
            for runs in ([entries[f"{side} {pair}"] for pair in range(pairs)] for side in ("stock", "ours"))
        )
        ratios = [ours / stock for ours, stock in zip(ours_s, stock_s, strict=True)]
        median = statistics.median(ours_s)
        print(f"overhead: total without {title}")
        print(f"  stock: {', '.join(f'{s:.1f}' for s in stock_s)} s; ours: {', '.join(f'{s:.1f}' for s in ours_s)} s")
        print(f"  ours over stock: {', '.join(f'{ratio:.3f}' for ratio in ratios)}; bar: 0.25")
        print(f"  {median / (median + brats_forward):.1%} of a benchmark with {BRATS}; bar: 10 %")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2:])
    else:
        main()
