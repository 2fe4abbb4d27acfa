"""What each epoch leaves on record: loss terms, Dice over the subsets and with all modalities (L3)."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, distributed, nn

from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION
from nnunetv2_mstkd.distillation.subset_draw import Codes, modality_mask_from_codes
from nnunetv2_mstkd.errors import NonFiniteLossError
from nnunetv2_mstkd.trainers.full_modality_dice import mean_foreground_dice, prefixed_counts
from nnunetv2_mstkd.trainers.metrics_log import MetricsLog
from nnunetv2_mstkd.trainers.stand_in import stand_in
from nnunetv2_mstkd.trainers.subset_trainer import SubsetTrainer


class RecordingTrainer(SubsetTrainer):
    """Keeps `mstkd_metrics.csv` and its figure. Not a trainer to ask for by name.

    Subclasses return each loss term from `train_step` as `loss_<term>`, and add to `record` what else an epoch has.
    """

    record: dict[str, float]
    metrics_log: MetricsLog | None

    def branches(self) -> dict[str, nn.Module]:
        """Return the networks that are validated with all modalities, by name."""
        return {"student": self.network}

    def initialize(self) -> None:
        """Build all parts."""
        super().initialize()
        self.record = {}

    def on_train_start(self) -> None:
        """Start training, and the record where it ended."""
        super().on_train_start()
        self.metrics_log = MetricsLog(self.output_folder, self.current_epoch) if self.local_rank == 0 else None

    def on_train_epoch_start(self) -> None:
        """Start an epoch's training and record."""
        super().on_train_epoch_start()
        self.record = {}

    def end_step(self, terms: Mapping[str, Tensor], batch: dict) -> dict:
        """Check the loss terms of a training step, of which one is "segmentation", and return them as nnU-Net wants.

        Raises:
            NonFiniteLossError: naming term, epoch, iteration and cases.
        """
        values = torch.stack(list(terms.values())).detach().float().cpu().numpy()  # all at once: one synchronisation
        losses = dict(zip(terms, values, strict=True))
        self.require_finite(losses, batch)
        self.iteration += 1
        # nnU-Net plots "loss" beside the validation's, which is the segmentation loss
        return {"loss": losses[SEGMENTATION], **{f"loss_{name}": value for name, value in losses.items()}}

    def require_finite(self, terms: Mapping[str, float], batch: dict) -> None:
        """Check the loss terms of a step.

        Raises:
            NonFiniteLossError: naming term, epoch, iteration and cases. The weights of this step are lost; the
                checkpoint on disk is from before.
        """
        broken = {name: value for name, value in terms.items() if not np.isfinite(value)}
        if broken:
            raise NonFiniteLossError(
                f"Loss term {broken} in epoch {self.current_epoch}, iteration {self.iteration}, cases "
                f"{list(batch.get('keys', ['unknown']))}. Check these cases for NaN and extreme intensities, then "
                f"continue with --c; if they are sound, lower the learning rate."
            )

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """Record the epoch's mean of each loss term, over the ranks too."""
        super().on_train_epoch_end(train_outputs)
        names = [name for name in train_outputs[0] if name.startswith("loss_")]
        means = np.array([np.mean([output[name] for output in train_outputs]) for name in names])
        if self.is_ddp:
            gathered: list[np.ndarray] = [means] * self.world_size
            distributed.all_gather_object(gathered, means)
            means = np.mean(gathered, axis=0)
        self.record.update(zip(names, means.tolist(), strict=True))

    def validate_available(self, batch: dict, available: Codes) -> dict:
        """Validate the student on the subset at hand, then each branch on all modalities that there are."""
        # nnU-Net overwrites the ignore label in the target that it is given
        copies = {name: _copy_target(batch) for name in self.branches()}
        result = super().validate_available(batch, available)
        everything = modality_mask_from_codes(available, len(self.modalities))
        for name, network in self.branches().items():
            result.update(prefixed_counts(f"{name}_", self._validate_with(network, copies[name], everything)))
        return result

    def _validate_with(self, network: nn.Module, batch: dict, modality_mask: Tensor) -> dict:
        with stand_in(self, network):
            return self.validate_seeing(batch, modality_mask)

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Record the Dice over the subsets (nnU-Net's own) and that of each branch with all modalities."""
        super().on_validation_epoch_end(val_outputs)
        self.record["dice_student_subsets"] = float(self.logger.get_value("mean_fg_dice", step=-1))
        for name in self.branches():
            self.record[f"dice_{name}_all"] = mean_foreground_dice(f"{name}_", val_outputs, self.world_size)

    def on_epoch_end(self) -> None:
        """Write the epoch's record, then end it as nnU-Net does."""
        if self.metrics_log is not None:
            self.metrics_log.append(self.current_epoch, self.record)
            for logger in self.logger.loggers:  # Weights & Biases, if nnU-Net's switch is on
                for name, value in self.record.items():
                    logger.log(f"mstkd/{name}", value, self.current_epoch)
        dice = {name: round(self.record[f"dice_{name}_all"], 4) for name in self.branches()}
        self.print_to_log_file(f"Pseudo dice, all modalities: {dice}")
        super().on_epoch_end()


def _copy_target(batch: dict) -> dict:
    target = batch["target"]
    copied = [scale.clone() for scale in target] if isinstance(target, list) else target.clone()
    return {**batch, "target": copied}
