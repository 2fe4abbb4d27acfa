"""The baseline: nnU-Net with modality dropout (L3)."""

from typing import ClassVar

from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION
from nnunetv2_mstkd.distillation.settings import DedicatedSettings
from nnunetv2_mstkd.distillation.subset_draw import mask_modalities
from nnunetv2_mstkd.trainers.dedicated_trainer import DedicatedTrainer


class nnUNetTrainerModalityDropout(DedicatedTrainer):
    """nnU-Net's own network and training; each sample of a batch sees a random subset of the modalities.

    With the setting `fixed_subset` it is the dedicated nnU-Net of that subset, the field's upper reference.
    """

    default_settings: ClassVar[DedicatedSettings] = DedicatedSettings()
    settings: DedicatedSettings

    def train_step(self, batch: dict) -> dict:
        """Train nnU-Net's step on the masked images."""
        image, available = self.available_image(batch)
        masked = mask_modalities(image, self.training_mask(available))
        with self.cpu_precision():
            result = super().train_step({**batch, "data": masked})
        self.require_finite({SEGMENTATION: float(result["loss"])}, batch)
        self.iteration += 1
        return {**result, f"loss_{SEGMENTATION}": result["loss"]}
