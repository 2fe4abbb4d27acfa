"""What a training is refused for before it starts (L3)."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from batchgenerators.utilities.file_and_folder_operations import load_json
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.distillation.settings import SECTION, DistillationSettings, stored_settings
from nnunetv2_mstkd.errors import SettingsError, UnsupportedNetworkError
from nnunetv2_mstkd.inference.trained_with import meaning_of_input
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities


def refuse_cascade(plans: dict, configuration: str) -> None:
    """Refuse a cascaded configuration.

    Raises:
        UnsupportedNetworkError: if `configuration` takes the segmentations of a previous stage.
    """
    previous = PlansManager(plans).get_configuration(configuration).previous_stage_name
    if previous is not None:
        raise UnsupportedNetworkError(
            f"Configuration {configuration!r} is a cascade on {previous!r}, whose segmentations were made with all "
            f"modalities: the student would learn from what it lacks. Train {previous!r} or '3d_fullres' instead."
        )


def refuse_mixed_folds(
    fold_folder: Path, plans: Mapping[str, Any], configuration: str, default_settings: Mapping[str, Any]
) -> None:
    """Refuse to train a fold with other plans or settings than the folds beside it: they share one plans.json.

    Of the plans what says what the input means; patch size and the like may differ. Settings that the stored plans do
    not know yet are taken as what was done before them.

    Args:
        fold_folder: of the fold that is to be trained.
        plans: it would be trained with, the section of the settings in full.
        configuration: of these.
        default_settings: of the trainer.

    Raises:
        SettingsError: if they differ; the message shows both.
    """
    plans_file = fold_folder.parent / "plans.json"
    others = [f for f in fold_folder.parent.glob("fold_*/checkpoint_*.pth") if f.parent != fold_folder]
    if not others or not plans_file.is_file():
        return
    stored = load_json(os.fspath(plans_file))
    theirs = {**stored_settings(stored, default_settings), **meaning_of_input(stored, configuration)}
    ours = {**plans[SECTION], **meaning_of_input(plans, configuration)}
    if differing := [key for key in ours if theirs.get(key) != ours[key]]:
        raise SettingsError(
            f"{others[0].parent.name} of this model was trained with { {key: theirs.get(key) for key in differing} }, "
            f"this fold would be with { {key: ours[key] for key in differing} }; both share {plans_file}. Give this "
            f"fold the same in the preprocessed plans (settings: section {SECTION!r}), or use a plans name of its own "
            f"for others."
        )


def refuse_nothing_to_distil(
    training_cases: Sequence[str], fold: int | str, available: AvailableModalities, settings: DistillationSettings
) -> None:
    """Refuse to train a student without a case that the teacher sees whole, unless others count too.

    Raises:
        SettingsError: if there is none.
        CaseError: if a case is none of the preprocessed ones.
    """
    if not available.complete_cases(training_cases) and not settings.incomplete_teacher_weight:
        raise SettingsError(
            f"None of the {len(training_cases)} training cases of fold {fold} has all of "
            f"{list(available.availability.modalities)}, so that there is nothing to distil. Set "
            f"incomplete_teacher_weight above 0, or train nnUNetTrainerModalityDropout"
        )
