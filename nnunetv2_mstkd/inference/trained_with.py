"""Whether a checkpoint was trained with the plans.json and dataset.json that lie beside it (L3).

nnU-Net writes both anew whenever a fold is trained, and predicts with them: with another spacing or other labels than a
fold has learned its segmentations would be wrong, and nothing would say so.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.distillation.settings import SECTION
from nnunetv2_mstkd.errors import ModelFolderError
from nnunetv2_mstkd.inference.model_files import DATASET_FILE, PLANS_FILE
from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS

# What the meaning of the input depends on. Patch size, batch size, resampling and names may be changed on purpose.
_OF_CONFIGURATION = ("spacing", "normalization_schemes", "use_mask_for_norm", "preprocessor_name", "architecture")
_OF_PLANS = ("transpose_forward", "transpose_backward", "image_reader_writer")


def require_trained_with(
    file: Path, checkpoint: Mapping[str, Any], plans: Mapping[str, Any], dataset_json: Mapping[str, Any]
) -> None:
    """Check that a checkpoint was trained with the model folder's plans and dataset.json, as far as prediction goes.

    An exported checkpoint says nothing of them, and passes.

    Args:
        file: the checkpoint, for the message.
        checkpoint: as `load_checkpoint` returns it.
        plans: content of the folder's plans.json.
        dataset_json: likewise.

    Raises:
        ModelFolderError: if not; the message shows what differs, on both sides.
        Exception: whatever nnU-Net raises over damaged plans.
    """
    init_args = checkpoint[INIT_ARGS]
    configuration = init_args[CONFIGURATION]
    if isinstance(init_args.get("plans"), Mapping):
        trained, now = (meaning_of_input(of, configuration) for of in (init_args["plans"], plans))
        _require_equal(file, PLANS_FILE, trained, now)
    if isinstance(init_args.get("dataset_json"), Mapping):
        trained, now = (_plain(_of_dataset(of)) for of in (init_args["dataset_json"], dataset_json))
        if sorted(trained["channel_names"]) != sorted(now["channel_names"]):  # renamed: their order says all
            del trained["channel_names"], now["channel_names"]
        _require_equal(file, DATASET_FILE, trained, now)


def meaning_of_input(plans: Mapping[str, Any], configuration: str) -> dict[str, Any]:
    """Return what plans say of the meaning of the input of one configuration: all folds of a model share it."""
    resolved = PlansManager(dict(plans)).get_configuration(configuration).configuration  # with what it inherits
    found = {
        **{f"{configuration}: {key}": resolved.get(key) for key in _OF_CONFIGURATION},
        **{key: plans.get(key) for key in _OF_PLANS},
        "fixed_subset": (plans.get(SECTION) or {}).get("fixed_subset"),
    }
    return _plain(found)


def _of_dataset(dataset_json: Mapping[str, Any]) -> dict[str, Any]:
    names = dataset_json.get("channel_names") or dataset_json.get("modality") or {}
    labels = list((dataset_json.get("labels") or {}).values())
    return {
        "channel_names": [name for _, name in sorted(names.items(), key=lambda item: int(item[0]))],
        # the order of regions is that of the network's channels; single labels are sorted by nnU-Net
        "labels": sorted(labels) if all(isinstance(label, int) for label in labels) else labels,
        "regions_class_order": dataset_json.get("regions_class_order"),
    }


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content as JSON has it: lists in place of tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return plain


def _require_equal(file: Path, of: str, trained: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name, theirs in trained.items():
        if theirs != now[name]:
            theirs, ours = _differing(theirs, now[name])
            raise ModelFolderError(
                f"{file} was trained with another {of} than the one in {file.parent.parent}: {name} was {theirs!r}, "
                f"and is {ours!r}. Put back the {of} that the fold was trained with, or train that fold anew"
            )


def _differing(theirs: Any, ours: Any) -> tuple[Any, Any]:
    """Return two different values; of two dicts the entries that differ, as an architecture has dozens."""
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return theirs, ours
    keys = [key for key in theirs | ours if theirs.get(key) != ours.get(key)]
    pairs = {key: _differing(theirs.get(key), ours.get(key)) for key in keys}
    return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}
