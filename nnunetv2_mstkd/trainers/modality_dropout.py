"""The baseline: nnU-Net with modality dropout (L3)."""

from typing import ClassVar

from torch import Tensor

from nnunetv2_mstkd.distillation.settings import ModalityDropoutSettings, SubsetSettings
from nnunetv2_mstkd.distillation.subset_draw import mask_modalities
from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.environment import MODALITIES_VARIABLE
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.recording_trainer import RecordingTrainer


class nnUNetTrainerModalityDropout(RecordingTrainer):
    """nnU-Net's own network and training; each sample of a batch sees a random subset of the modalities.

    With the setting `fixed_subset` it is the dedicated nnU-Net of that subset, the field's upper reference: the other
    modalities are zero in training, validation and prediction.
    """

    default_settings: ClassVar[ModalityDropoutSettings] = ModalityDropoutSettings()
    settings: ModalityDropoutSettings

    @classmethod
    def visible_subset(cls, settings: SubsetSettings, modalities: Modalities) -> ModalitySubset | None:
        """Return the subset asked for by the environment, or the fixed one.

        Raises:
            ModalityError: if the environment leaves out a modality that the fixed subset needs.
        """
        asked = super().visible_subset(settings, modalities)
        fixed = fixed_subset(settings, modalities)
        if fixed is not None and asked is not None and not asked.issuperset(fixed):
            raise ModalityError(
                f"{MODALITIES_VARIABLE} asks for {asked}, but this model is for {fixed} alone and needs it whole"
            )
        return fixed or asked

    def training_mask(self, batch_size: int) -> Tensor:
        """Draw the modality mask of the training step at hand; all True for a fixed subset, which the network masks."""
        mask = super().training_mask(batch_size)
        return mask.fill_(True) if self.settings.fixed_subset else mask

    def validation_mask(self, batch_size: int) -> Tensor:
        """Return the modality mask of the validation step at hand; all True for a fixed subset."""
        mask = super().validation_mask(batch_size)
        return mask.fill_(True) if self.settings.fixed_subset else mask

    def train_step(self, batch: dict) -> dict:
        """Train nnU-Net's step on the masked images."""
        image = batch["data"].to(self.device, non_blocking=True)
        masked = mask_modalities(image, self.training_mask(len(image)))
        result = super().train_step({**batch, "data": masked})
        self.require_finite({"segmentation": float(result["loss"])}, batch)
        self.iteration += 1
        return {**result, "loss_segmentation": result["loss"]}


def fixed_subset(settings: SubsetSettings, modalities: Modalities) -> ModalitySubset | None:
    """Return the subset that the settings fix, None if they fix none.

    Raises:
        ModalityError: if the setting names an unknown modality or none.
    """
    text = settings.fixed_subset if isinstance(settings, ModalityDropoutSettings) else None
    return None if text is None else modalities.subset(text)
