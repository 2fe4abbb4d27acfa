"""Trainers without a dataset, on nnU-Net's BraTS plan at any patch size, for the benchmarks of a training step."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FOLDERS = tempfile.TemporaryDirectory()
os.environ.update(dict.fromkeys(("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"), _FOLDERS.name))
os.environ.update(nnUNet_n_proc_DA="0", MPLBACKEND="Agg")
os.environ.setdefault("nnUNet_compile", "f")

import numpy as np  # noqa: E402 (after the environment is set)
import torch  # noqa: E402
from brats_plan import CONFIGURATION, FEATURES, BratsPlan  # noqa: E402
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name  # noqa: E402

from nnunetv2_mstkd.cases.availability import Availability  # noqa: E402
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities  # noqa: E402

STOCK, MSTKD = "nnUNetTrainer", "nnUNetTrainerMSTKD"
DATASET = "Dataset931_Bare"
SMALL_PATCH = (64, 96, 64)  # divisible by the strides of the BraTS plan, and a step takes seconds


def make_trainer(
    name: str,
    patch: Sequence[int] = SMALL_PATCH,
    batch_size: int = 2,
    modalities: int = 4,
    settings: dict[str, Any] | None = None,
    stages: int = len(FEATURES),
) -> Any:
    """Build and initialise a trainer on the CPU, all of whose cases are complete; it cannot load batches.

    Args:
        name: of the class.
        patch: voxels, divisible by the strides of the stages.
        batch_size: samples.
        modalities: input channels, 2 to 6.
        settings: for the plans' section mstkd.
        stages: of the BraTS plan's six, from the finest.
    """
    plan = BratsPlan(tuple(patch), batch_size, modalities, stages)
    return make_trainer_of(name, plan.plans(DATASET), plan.dataset_json(), CONFIGURATION, settings)


def make_trainer_of(
    name: str,
    plans: dict[str, Any],
    dataset_json: dict[str, Any],
    configuration: str,
    settings: dict[str, Any] | None = None,
) -> Any:
    """Build and initialise a trainer of any plans, likewise.

    Args:
        name: of the class.
        plans: as nnU-Net wrote them.
        dataset_json: of their dataset.
        configuration: of the plans.
        settings: in place of the plans' section mstkd; None for what they have.
    """
    own = plans.get("mstkd", {}) if settings is None else settings
    plans = {**plans, "mstkd": own, "continue_training": False}
    data = Path(_FOLDERS.name, plans["dataset_name"], plans["configurations"][configuration]["data_identifier"])
    data.mkdir(parents=True, exist_ok=True)
    (data / "case.b2nd").touch()  # by its ending nnU-Net knows the format
    torch.manual_seed(0)
    trainer = recursive_find_trainer_class_by_name(name)(plans, configuration, 0, dataset_json, torch.device("cpu"))
    trainer.initialize()
    if hasattr(trainer, "modalities"):  # one of ours
        complete = {"case": trainer.modalities.all}
        trainer.available = AvailableModalities(Availability(trainer.modalities, complete))
        trainer.record = {}
    return trainer


def make_batch(trainer: Any, seed: int = 0) -> dict[str, Any]:
    """Draw a batch of the plan's size: noise, and a sphere for each region, or label."""
    rng = torch.Generator().manual_seed(seed)
    patch, batch_size = trainer.configuration_manager.patch_size, trainer.configuration_manager.batch_size
    image = torch.randn(batch_size, trainer.num_input_channels, *patch, generator=rng)
    scales = trainer._get_deep_supervision_scales()
    grids = [[round(n * s) for n, s in zip(patch, scale, strict=True)] for scale in scales]
    labels = trainer.label_manager
    count = len(labels.foreground_regions) if labels.has_regions else len(labels.foreground_labels)
    targets = [_spheres(batch_size, grid, count, labels.has_regions) for grid in grids]
    return {"data": image, "target": targets, "keys": np.array(["case"] * batch_size)}


def _spheres(batch_size: int, grid: Sequence[int], count: int, regions: bool) -> torch.Tensor:
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in grid), indexing="ij")
    distance = torch.stack(axes).square().sum(0).sqrt()
    spheres = torch.stack([distance < 0.6 * (1 - i / count) for i in range(count)]).to(torch.int16)
    target = spheres if regions else spheres.sum(0, keepdim=True, dtype=torch.int16)
    return target.expand(batch_size, -1, *grid).contiguous()
