"""What plans.json and dataset.json of a model folder say, and whether it is all there (L3)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunetv2_mstkd.errors import ModelFolderError, MSTKDError
from nnunetv2_mstkd.inference.model_files import DATASET_FILE, PLANS_FILE
from nnunetv2_mstkd.inference.model_folder import read_json
from nnunetv2_mstkd.inference.safe_plans import require_safe_plans


def read_description(folder: Path, *, trust: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the content of plans.json and dataset.json.

    Args:
        folder: of the model.
        trust: also take plans that could execute code.

    Raises:
        ModelFolderError: if one is missing or damaged.
        UntrustedPlansError: if the plans could execute code; not with `trust`.
    """
    plans, dataset_json = (read_json(folder, name) for name in (PLANS_FILE, DATASET_FILE))
    if not trust:
        require_safe_plans(plans)
    return plans, dataset_json


@contextlib.contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Raise ModelFolderError for whatever nnU-Net raises over JSON files that lack something or hold something else."""
    try:
        yield
    except MSTKDError:
        raise
    except Exception as error:  # there are as many kinds as entries
        raise ModelFolderError(
            f"The {PLANS_FILE} or {DATASET_FILE} in {folder} do not fit the model, or are damaged: "
            f"{type(error).__name__}: {error}"
        ) from error


def require_entries(plans: PlansManager, configuration: ConfigurationManager, dataset_json: dict[str, Any]) -> None:
    """Look at what prediction uses only later, so that what is missing is told before images are read.

    Raises:
        Exception: whatever nnU-Net raises.
    """
    _ = plans.dataset_name, plans.plans_name
    _ = dataset_json["file_ending"], plans.image_reader_writer_class, plans.transpose_forward, plans.transpose_backward
    _ = configuration.patch_size, configuration.spacing, configuration.previous_stage_name
    _ = configuration.normalization_schemes, configuration.use_mask_for_norm
    _ = configuration.resampling_fn_data, configuration.resampling_fn_seg, configuration.resampling_fn_probabilities
    if configuration.preprocessor_class is None:
        raise ModelFolderError(f"nnU-Net has no preprocessor {configuration.preprocessor_name!r}, as the plans name it")
