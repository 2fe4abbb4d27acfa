"""The baseline: nnU-Net with modality dropout (L3)."""

from typing import ClassVar

from torch import Tensor

from nnunetv2_mstkd.distillation.settings import ModalityDropoutSettings, SubsetSettings
from nnunetv2_mstkd.distillation.subset_draw import Codes, mask_modalities, modality_mask_from_codes
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

    def do_split(self) -> tuple[list[str], list[str]]:
        """Split the cases as nnU-Net does; a fixed subset is trained and validated on cases that have all of it.

        Raises:
            ModalityError: if no case is left.
            CaseError: if one is none of the preprocessed cases.
        """
        training, validation = super().do_split()
        fixed = fixed_subset(self.settings, self.modalities)
        if fixed is None or self.available.all_complete:
            return training, validation
        kept = [
            [case for case in cases if self.available.subset(case).issuperset(fixed)]
            for cases in (training, validation)
        ]
        if not all(kept):
            raise ModalityError(
                f"The model is for {fixed}, which {len(kept[0])} of {len(training)} training cases and {len(kept[1])} "
                f"of {len(validation)} validation cases have: choose another fixed_subset, or another split"
            )
        left_out = sorted({*training, *validation} - {*kept[0], *kept[1]})
        self.print_to_log_file(f"Left out, as they lack some of {fixed}: {len(left_out)} cases: {left_out}")
        return kept[0], kept[1]

    def training_mask(self, available: Codes) -> Tensor:
        """Draw the modality mask of the training step at hand; a fixed subset is masked by the network."""
        return self._unmasked(available) if self.settings.fixed_subset else super().training_mask(available)

    def validation_mask(self, available: Codes) -> Tensor:
        """Return the modality mask of the validation step at hand, likewise."""
        return self._unmasked(available) if self.settings.fixed_subset else super().validation_mask(available)

    def _unmasked(self, available: Codes) -> Tensor:
        return modality_mask_from_codes(available, len(self.modalities))

    def train_step(self, batch: dict) -> dict:
        """Train nnU-Net's step on the masked images."""
        image, available = self.available_image(batch)
        masked = mask_modalities(image, self.training_mask(available))
        with self.cpu_precision():
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
