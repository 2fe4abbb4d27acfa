"""What a prediction depends on, as records have it: model, input, how it is applied, versions (L3)."""

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nnunetv2_mstkd.cases.case import Case
from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.input_files import files_of_image, files_of_labels
from nnunetv2_mstkd.inference.model import Model
from nnunetv2_mstkd.inference.model_files import DATASET_FILE, PLANS_FILE
from nnunetv2_mstkd.modalities import Modalities

PACKAGES = ("nnunetv2_mstkd", "nnunetv2", "torch", "numpy", "SimpleITK")


def model_facts(model: Model) -> dict[str, Any]:
    """Return what identifies a model."""
    return {
        "folder": str(model.folder.resolve()),
        "trainer": model.trainer_name,
        "dataset": model.plans.dataset_name,
        "plans": model.plans.plans_name,
        "configuration": model.configuration_name,
        "checkpoint": model.checkpoint,
        "folds": list(model.folds),
        "weights_sha256": model.weights_sha256,
        "plans_sha256": sha256_of(model.folder / PLANS_FILE),
        "dataset_json_sha256": sha256_of(model.folder / DATASET_FILE),
        "trained_for_missing_modalities": model.handles_missing,
    }


def inference_facts(device: torch.device, engine: str, step_size: float, mirroring: bool) -> dict[str, Any]:
    """Return how a model is applied."""
    return {"device": str(device), "engine": engine, "step_size": step_size, "mirroring": mirroring}


def input_facts(case: Case, modalities: Modalities, reader: ImageReader) -> dict[str, Any]:
    """Return each present modality's file, with its checksum: of a TIFF and, after a +, of the file with its spacing.

    Raises:
        OSError: if a file cannot be read.
    """
    checksum = lru_cache(maxsize=None)(sha256_of)  # several channels may lie in one file
    return {
        modalities.names[channel]: {
            "file": str(source.file.resolve()),
            "volume": source.volume,
            "sha256": "+".join(map(checksum, files_of_image(source.file, reader))),
        }
        for channel, source in case.sources.items()
    }


def previous_stage_facts(labels: Path | None, reader: ImageReader) -> dict[str, str] | None:
    """Return a cascade's labels of the previous stage, with their checksum, likewise; None where there are none.

    Raises:
        OSError: if a file cannot be read.
    """
    if labels is None:
        return None
    return {"file": str(labels.resolve()), "sha256": "+".join(map(sha256_of, files_of_labels(labels, reader)))}


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of what takes part: read once, as they are those of this process."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def now() -> str:
    """Return the time, UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
