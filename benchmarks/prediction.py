"""A patient on a CPU: `mstkd predict` against stock `nnUNetv2_predict -device cpu`, whole commands.

The model is nnU-Net's BraTS plan (patch 128 x 160 x 112, 32 to 320 features) with random weights, the case a simulated
patient of 240 x 240 x 155 voxels at 1 mm. Both commands have the same model, case, step size and mirroring; they run
in turns, A B A B. Measured are wall seconds and the peak memory of all processes of a command. An engine compiles a
model once: a run of ours that is not counted comes first, and its seconds are told, too.

With random weights engines need not agree with torch in float32, so that the engine is named: the fastest one here,
unless told otherwise. How trained models fare tells engine_agreement.py.

    python benchmarks/prediction.py WORK --tta            # half an hour on two cores
    python benchmarks/prediction.py WORK --no-tta
"""

import argparse
import json
import os
import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import torch
from brats_plan import CONFIGURATION, PLANS_NAME, BratsPlan
from paired_ratios import spread, spread_text
from process_tree import measured

from nnunetv2_mstkd.datasets.demonstration.patient import draw_scans, simulate
from nnunetv2_mstkd.inference.engines.choice import fastest_engine
from nnunetv2_mstkd.inference.engines.hardware import bfloat16_units
from nnunetv2_mstkd.inference.engines.names import CHOICES

NUMBER, DATASET, TRAINER = 940, "Dataset940_Prediction", "nnUNetTrainer"
BRATS = BratsPlan()
VERSIONS = ("nnunetv2_mstkd", "nnunetv2", "torch", "openvino")


def main() -> None:
    """Measure pairs, print their ratios and write JSON."""
    parser = parser_of(__doc__, json_help="default: WORK/prediction_<engine>_<tta or no_tta>.json")
    parser.add_argument("--repeats", type=int, default=3, help="pairs (default: %(default)s)")
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    model, images = write_model(work), write_case(work)
    first = ours(work, model, images, arguments.engine, arguments.tta)
    print(f"first run of ours, not counted: {_shown(first)}", flush=True)
    pairs = []
    for number in range(arguments.repeats):
        pair = {
            "stock": stock(work, images, arguments.tta),
            "ours": ours(work, model, images, arguments.engine, arguments.tta),
        }
        print(f"pair {number}: stock {_shown(pair['stock'])}; ours {_shown(pair['ours'])}", flush=True)
        pairs.append(pair)
    record = {
        "engine": arguments.engine,
        "tta": arguments.tta,
        "first": first,
        "pairs": pairs,
        "ratios": ratios(pairs),
        "machine": machine(),
    }
    name = f"prediction_{arguments.engine}_{'tta' if arguments.tta else 'no_tta'}.json"
    (arguments.json or work / name).write_text(json.dumps(record, indent=2) + "\n")
    report(record)


def parser_of(description: str | None, json_help: str) -> argparse.ArgumentParser:
    """Return a parser of what every measurement of a prediction asks for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder to work in")
    parser.add_argument("--tta", action=argparse.BooleanOptionalAction, default=True, help="mirroring")
    parser.add_argument("--engine", choices=CHOICES, default=fastest_engine(), help="of ours (default: %(default)s)")
    parser.add_argument("--json", type=Path, help=json_help)
    return parser


# the model and the case ----------------------------------------------------------------------------------------------


def write_model(work: Path, plan: BratsPlan = BRATS) -> Path:
    """Write the model folder unless it is there, and return it."""
    folder = work / "results" / DATASET / f"{TRAINER}__{PLANS_NAME}__{CONFIGURATION}"
    checkpoint = folder / "fold_0" / "checkpoint_final.pth"
    if checkpoint.is_file():
        return folder
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plan.plans(DATASET)))
    (folder / "dataset.json").write_text(json.dumps(plan.dataset_json()))
    torch.manual_seed(0)
    content = {
        "trainer_name": TRAINER,
        "init_args": {"configuration": CONFIGURATION},
        "inference_allowed_mirroring_axes": (0, 1, 2),
        "network_weights": plan.network().state_dict(),
    }
    torch.save(content, checkpoint)
    return folder


def write_case(work: Path, plan: BratsPlan = BRATS) -> Path:
    """Write the images of the simulated patient unless they are there, and return their folder."""
    folder = work / "images"
    files = [folder / f"patient_{channel:04d}.nii.gz" for channel in range(plan.channels)]
    if all(file.is_file() for file in files):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    images, _ = simulate(draw_scans(seed=0, patient=0, num_scans=1)[-1], plan.spacing_mm)
    for array, file in zip(images, files, strict=True):
        image = SimpleITK.GetImageFromArray(np.asarray(array))
        image.SetSpacing([plan.spacing_mm] * 3)
        SimpleITK.WriteImage(image, str(file), useCompression=True)
    return folder


# what is measured ----------------------------------------------------------------------------------------------------


def stock(work: Path, images: Path, tta: bool) -> dict[str, float]:
    """Run nnU-Net's command."""
    named = ("-d", str(NUMBER), "-c", CONFIGURATION, "-tr", TRAINER, "-p", PLANS_NAME, "-f", "0")
    return _run(work, "stock", "nnUNetv2_predict", *named, "-i", str(images), *_common(tta))


def ours(work: Path, model: Path, images: Path, engine: str, tta: bool) -> dict[str, float]:
    """Run `mstkd predict`."""
    named = ("-m", str(model), "-f", "0", "--engine", engine)
    return _run(work, "ours", "mstkd", "predict", *named, "-i", str(images), *_common(tta))


def _common(tta: bool) -> tuple[str, ...]:
    return ("-device", "cpu", *(() if tta else ("--disable_tta",)))


def _run(work: Path, side: str, program: str, *arguments: str) -> dict[str, float]:
    output = work / side
    shutil.rmtree(output, ignore_errors=True)
    command = [str(Path(sys.executable).parent / program), *arguments, "-o", str(output)]
    folders = {f"nnUNet_{name}": str(work / name) for name in ("raw", "preprocessed", "results")}
    return measured(command, {**os.environ, **folders})


def ratios(pairs: list[dict[str, dict[str, float]]]) -> dict[str, list[float]]:
    """Return how many times faster ours is, and its memory over stock's, pair by pair."""
    return {
        "times_faster": [pair["stock"]["seconds"] / pair["ours"]["seconds"] for pair in pairs],
        "memory": [pair["ours"]["peak_mb"] / pair["stock"]["peak_mb"] for pair in pairs],
    }


def machine() -> dict[str, Any]:
    """Return what it was measured on."""
    versions = {}
    for package in VERSIONS:
        try:
            versions[package] = version(package)
        except ImportError:  # PackageNotFoundError
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "bfloat16": list(bfloat16_units()),
        "versions": versions,
    }


def report(record: dict[str, Any]) -> None:
    """Print the ratios."""
    mirrored = "with" if record["tta"] else "without"
    for name in ("times_faster", "memory"):
        told = spread_text(spread(record["ratios"][name]))
        print(f"{name.replace('_', ' ')}, {record['engine']}, {mirrored} TTA: {told}")


def _shown(run: dict[str, float]) -> str:
    return f"{run['seconds']:.1f} s, {run['peak_mb']:.0f} MB"


if __name__ == "__main__":
    main()
