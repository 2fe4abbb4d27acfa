"""Models for one subset of the modalities alone (L3)."""

from functools import cached_property

from torch import Tensor

from nnunetv2_mstkd.distillation.settings import DedicatedSettings, SubsetSettings
from nnunetv2_mstkd.distillation.subset_draw import Codes, modality_mask_from_codes, subset_code
from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.environment import MODALITIES_VARIABLE
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.trainers.recording_trainer import RecordingTrainer


class DedicatedTrainer(RecordingTrainer):
    """Knows the setting `fixed_subset`. Not a trainer to ask for by name.

    With it the network sees one subset alone, in training, validation and prediction; the other modalities are zero.
    That is the network without them: the first convolution's weights for a channel of zeros have no effect.
    """

    settings: DedicatedSettings

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

    @cached_property
    def fixed(self) -> ModalitySubset | None:
        """The fixed subset, None where subsets are drawn."""
        return fixed_subset(self.settings, self.modalities)

    def do_split(self) -> tuple[list[str], list[str]]:
        """Split the cases as nnU-Net does; a fixed subset is trained and validated on cases that have all of it.

        Raises:
            ModalityError: if no case is left.
            CaseError: if one is none of the preprocessed cases.
        """
        training, validation = super().do_split()
        fixed = self.fixed
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
        """Draw the modality mask of the training step at hand, or return that of the fixed subset."""
        fixed = self._fixed_mask(available)
        return super().training_mask(available) if fixed is None else fixed

    def validation_mask(self, available: Codes) -> Tensor:
        """Return the modality mask of the validation step at hand, likewise."""
        fixed = self._fixed_mask(available)
        return super().validation_mask(available) if fixed is None else fixed

    def _fixed_mask(self, available: Codes) -> Tensor | None:
        if self.fixed is None:
            return None
        return modality_mask_from_codes(available & subset_code(self.fixed), len(self.modalities))


def fixed_subset(settings: SubsetSettings, modalities: Modalities) -> ModalitySubset | None:
    """Return the subset that the settings fix, None if they fix none.

    Raises:
        ModalityError: if the setting names an unknown modality or none.
    """
    text = settings.fixed_subset if isinstance(settings, DedicatedSettings) else None
    return None if text is None else modalities.subset(text)
