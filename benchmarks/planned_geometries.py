"""Synthetic datasets for planners: plans of them, the networks of the plans, and the estimates of their memory."""

import contextlib
import json
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDERS = tempfile.TemporaryDirectory()
RAW, PREPROCESSED = Path(_FOLDERS.name, "raw"), Path(_FOLDERS.name, "preprocessed")
os.environ.update(nnUNet_raw=str(RAW), nnUNet_preprocessed=str(PREPROCESSED), nnUNet_results=_FOLDERS.name)

import torch  # noqa: E402 (after the environment is set)
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans  # noqa: E402

from nnunetv2_mstkd.distillation.settings import DistillationSettings  # noqa: E402
from nnunetv2_mstkd.planning.step_memory import StepMemory  # noqa: E402


@dataclass(frozen=True)
class Geometry:
    """A synthetic dataset, as far as planning depends on it: every case is the median one.

    Args:
        number: nnU-Net's dataset id.
        name: for the tables.
        channels: modalities.
        labels: as in dataset.json.
        spacing_mm: in array order (z, y, x), as `shape`.
        shape: voxels after the crop to what is not zero.
        cases: for training.
        target_gb: memory target of the plans of which the ratio is measured.
    """

    number: int
    name: str
    channels: int
    labels: dict[str, Any]
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]
    cases: int
    target_gb: float

    @property
    def regions(self) -> bool:
        """Whether labels are regions, that may overlap."""
        return any(isinstance(label, list) for label in self.labels.values())

    @property
    def heads(self) -> int:
        """Channels of the logits."""
        return len(self.labels) - self.regions

    def write(self) -> None:
        """Write dataset.json and a fingerprint, which is all that a planner reads."""
        raw, preprocessed = (root / f"Dataset{self.number:03d}_{self.name}" for root in (RAW, PREPROCESSED))
        raw.mkdir(parents=True, exist_ok=True)
        preprocessed.mkdir(parents=True, exist_ok=True)
        dataset = {
            "channel_names": {str(channel): f"MR{channel}" for channel in range(self.channels)},
            "labels": self.labels,
            "numTraining": self.cases,
            "file_ending": ".nii.gz",
            "overwrite_image_reader_writer": "SimpleITKIO",
            "dataset": {"case": {"images": ["case.nii.gz"], "label": "case.nii.gz"}},
        }
        fingerprint = {
            "spacings": [self.spacing_mm] * self.cases,
            "shapes_after_crop": [self.shape] * self.cases,
            "median_relative_size_after_cropping": 0.4,
            "foreground_intensity_properties_per_channel": {},
        }
        (raw / "dataset.json").write_text(json.dumps(dataset))
        (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))


REGIONS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
LABELS = {"background": 0, "first": 1, "second": 2}
BRATS = Geometry(1, "BraTS", 4, REGIONS, (1.0, 1.0, 1.0), (140, 171, 136), 1251, 8)
GEOMETRIES = (
    BRATS,
    Geometry(2, "anisotropic", 2, LABELS, (3.6, 0.6, 0.6), (20, 320, 320), 40, 8),
    Geometry(3, "small", 2, LABELS, (1.0, 1.0, 1.0), (40, 56, 40), 200, 2),
)


def plan(planner_class: type, geometry: Geometry, target_gb: float) -> tuple[Any, dict[str, dict]]:
    """Return a planner and the configurations that it plans."""
    geometry.write()
    with warnings.catch_warnings(), open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
        warnings.simplefilter("ignore")  # the presets' about another memory target than theirs
        planner = planner_class(geometry.number, target_gb)
        return planner, planner.plan_experiment()["configurations"]


def estimate(planned: dict, geometry: Geometry, two_branches: bool, settings: Any = None) -> int:
    """Return how many numbers are kept of a sample by our planner's estimate, or by nnU-Net's."""
    if two_branches:
        return step_memory(planned, geometry, settings).num_activations(geometry.channels)
    with torch.device("meta"):
        return int(plan_network(planned, geometry).compute_conv_feature_map_size(planned["patch_size"]))


def step_memory(planned: dict, geometry: Geometry, settings: DistillationSettings | None = None) -> StepMemory:
    """Return our planner's estimate of a plan."""
    with torch.device("meta"):
        return StepMemory(plan_network(planned, geometry), planned["patch_size"], settings)


def plan_network(planned: dict, geometry: Geometry, deep_supervision: bool | None = None) -> Any:
    """Build the network of a plan on the current device."""
    architecture = planned["architecture"]
    return get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        geometry.channels,
        len(geometry.labels) if deep_supervision is None else geometry.heads,  # as planned, or as trained
        allow_init=False,
        deep_supervision=deep_supervision,
    )
