"""What each sample of a batch sees: all that its case has, or a subset of it (L3)."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from nnunetv2.paths import nnUNet_raw
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from torch import Tensor

from nnunetv2_mstkd.distillation.subset_draw import (
    Codes,
    cycle_subset_codes,
    draw_subset_codes,
    mask_modalities,
    modality_mask_from_codes,
    seeded_rng,
)
from nnunetv2_mstkd.planning.availability_lookup import find_availability
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities
from nnunetv2_mstkd.trainers.cpu_precision import InBfloat16, computes_in_bfloat16, cpu_autocast
from nnunetv2_mstkd.trainers.final_validation import from_what_cases_have
from nnunetv2_mstkd.trainers.resumable_trainer import ResumableTrainer
from nnunetv2_mstkd.trainers.settings_trainer import STEP
from nnunetv2_mstkd.trainers.stand_in import stand_in


class SubsetTrainer(ResumableTrainer):
    """nnU-Net's trainer for networks that see subsets of the modalities. Not a trainer to ask for by name.

    Subclasses mask what their network sees in `train_step`, by `available_image` and `training_mask`.
    """

    dataset_class: Any
    iteration = 0  # within the epoch, of training or validation

    # where the run is -----------------------------------------------------------------------------------------------

    @property
    def steps_done(self) -> int:
        """Iterations done since the training began."""
        return self.current_epoch * self.num_iterations_per_epoch + self.iteration

    @property
    def training_progress(self) -> float:
        """Iterations done, as a fraction of the whole training."""
        return self.steps_done / max(1, self.num_epochs * self.num_iterations_per_epoch)

    def on_train_epoch_start(self) -> None:
        """Start an epoch's training."""
        super().on_train_epoch_start()
        self.iteration = 0

    def on_validation_epoch_start(self) -> None:
        """Start an epoch's validation."""
        super().on_validation_epoch_start()
        self.iteration = 0

    # what the cases have --------------------------------------------------------------------------------------------

    @cached_property
    def available(self) -> AvailableModalities:
        """What each case of the dataset has, by its table, else found in the data.

        Raises:
            CaseError: if table and data disagree, or a case has nothing.
        """
        data = str(self.preprocessed_dataset_folder)
        cases = infer_dataset_class(data).get_identifiers(data)
        raw = Path(nnUNet_raw.get()) / self.plans_manager.dataset_name if nnUNet_raw.is_set() else None
        base = Path(str(self.preprocessed_dataset_folder_base))
        return AvailableModalities(find_availability(base, Path(data), self.modalities, cases, raw=raw))

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's datasets, and say in the log what their cases have."""
        training, validation = super().get_tr_and_val_datasets()
        if not self.available.all_complete:
            for name, dataset in (("Training", training), ("Validation", validation)):
                self.print_to_log_file(f"{name}: {self.available.summary(dataset.identifiers)}")
        return training, validation

    def available_image(self, batch: Mapping[str, Any]) -> tuple[Tensor, Codes]:
        """Return the images on the device, what their cases lack set to zero, and what each of them has.

        Augmentation moves zeros, and not every normalisation keeps them: so the channels are zeroed here.

        Returns:
            (image, available): (B, M, *S), int64 (B,).
        """
        image = batch["data"].to(self.device, non_blocking=True)
        if self.available.all_complete:
            return image, self.available.complete_codes(len(image))
        available = self.available.codes(batch["keys"])
        return mask_modalities(image, modality_mask_from_codes(available, len(self.modalities))), available

    def on_device(self, target: Tensor | list[Tensor]) -> Any:
        """Return a batch's target on the device."""
        if isinstance(target, list):
            return [scale.to(self.device, non_blocking=True) for scale in target]
        return target.to(self.device, non_blocking=True)

    # a training step ------------------------------------------------------------------------------------------------

    def training_mask(self, available: Codes) -> Tensor:
        """Draw the modality mask, bool (B, M), of the training step at hand, from what each sample has, int64 (B,)."""
        codes = available
        if self.training_progress >= self.settings.warm_up_fraction:
            codes = draw_subset_codes(
                available,
                len(self.modalities),
                seed=self.settings.seed,
                epoch=self.current_epoch,
                iteration=self.iteration,
                rank=self.local_rank,
                drop_probabilities=self.drop_probabilities,
            )
        return modality_mask_from_codes(codes, len(self.modalities))

    def step_rng(self) -> AbstractContextManager:
        """Return the random numbers of the training step at hand: dropout, noise."""
        where = (self.current_epoch, self.iteration, self.local_rank)
        return seeded_rng(self.device, STEP, self.settings.seed, *where)

    def autocast(self) -> AbstractContextManager:
        """Return the precision of a training step of ours."""
        if self.device.type == "cuda":
            return torch.autocast("cuda")  # as nnU-Net
        return cpu_autocast(self.device, self.settings.cpu_precision)

    def cpu_precision(self) -> AbstractContextManager:
        """Have nnU-Net's own steps run `self.network` in the precision of the settings, where that is a CPU's."""
        is_half = computes_in_bfloat16(self.device, self.settings.cpu_precision)
        return stand_in(self, InBfloat16(self.network) if is_half else self.network)

    # validation -----------------------------------------------------------------------------------------------------

    def validation_mask(self, available: Codes) -> Tensor:
        """Return the modality mask, bool (B, M), of the validation step at hand: all subsets in turn."""
        codes = cycle_subset_codes(
            self.modalities, available, iteration=self.iteration, rank=self.local_rank, world_size=self.world_size
        )
        return modality_mask_from_codes(codes, len(self.modalities))

    def validation_step(self, batch: dict) -> dict:
        """Validate on the subsets in turn, so that the EMA Dice and checkpoint_best speak for all of them."""
        image, available = self.available_image(batch)
        result = self.validate_available({**batch, "data": image}, available)
        self.iteration += 1
        return result

    def validate_available(self, batch: dict, available: Codes) -> dict:
        """Validate on the subset at hand of what the samples have, int64 (B,)."""
        return self.validate_seeing(batch, self.validation_mask(available))

    def validate_seeing(self, batch: dict, modality_mask: Tensor) -> dict:
        """Validate as nnU-Net does, on the modalities of the mask (B, M); others are zero."""
        masked = mask_modalities(batch["data"], modality_mask)
        with self.cpu_precision():
            return super().validation_step({**batch, "data": masked})

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Predict the validation cases as nnU-Net does, from what each of them has."""
        if self.available.all_complete:
            super().perform_actual_validation(save_probabilities)
            return
        with from_what_cases_have(self):
            super().perform_actual_validation(save_probabilities)
