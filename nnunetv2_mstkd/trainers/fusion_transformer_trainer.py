"""What the trainers of mmFormer and M2FTrans have in common (L3)."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.grid_resize import resize
from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderFeatures
from nnunetv2_mstkd.architectures.multi_encoder.separate_decoder import SeparateDecoder
from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION, precise_loss
from nnunetv2_mstkd.distillation.step_target import full_resolution
from nnunetv2_mstkd.trainers.loss_parts import of_one_scale, within_rank
from nnunetv2_mstkd.trainers.multi_encoder_batch import MultiEncoderBatch
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderTrainer

SEPARATE, REGIONAL = "separate", "regional"


class FusionTransformerTrainer(MultiEncoderTrainer):
    """Segments from the fusion, from each modality by itself and at each scale. Not a trainer to ask for by name."""

    settings: Any

    def build_auxiliary(self, network: Any) -> nn.Module | None:
        """Return the decoder of single modalities; None where its loss has weight 0."""
        if self.settings.weight_separate == 0:
            return None
        num_outputs = self.label_manager.num_segmentation_heads
        return SeparateDecoder(self.plan_networks(), len(self.modalities), num_outputs)

    def loss_terms(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Return the loss of the logits, of those of each modality by itself, and of the coarser scales."""
        logits = features.logits if isinstance(features.logits, list) else [features.logits]
        terms = {SEGMENTATION: self.full_resolution_loss(logits[0], batch.target)}
        if self.auxiliary is not None:
            terms[SEPARATE] = self._separate_loss(self.auxiliary(features.encoded), batch)
        if coarser := logits[1:]:
            terms[REGIONAL] = self._regional_loss(coarser, batch)
        return terms

    def term_weights(self) -> dict[str, float]:
        """Return the weights of the settings."""
        return {SEPARATE: self.settings.weight_separate, REGIONAL: self.settings.weight_regional}

    def _separate_loss(self, logits: Tensor, batch: MultiEncoderBatch) -> Tensor:
        """Return the sum over modalities of the loss of logits (B, M, C, *patch), each on the samples that have it.

        That of a modality counts as much as the share of the batch that has it: else a case would weigh more beside
        cases that lack the modality, and on ranks with few that have it.
        """
        return torch.stack([self._loss_of_modality(logits, channel, batch) for channel in range(logits.shape[1])]).sum()

    def _loss_of_modality(self, logits: Tensor, channel: int, batch: MultiEncoderBatch) -> Tensor:
        target = full_resolution(batch.target)
        if self.available.all_complete:
            return precise_loss(logits[:, channel], target, self._loss_within_rank)
        rows = batch.available[:, channel].nonzero().squeeze(1)
        if not len(rows):
            return _nothing(logits[:, channel])
        share = len(rows) / len(target)
        return share * precise_loss(logits[rows, channel], target[rows], self._loss_within_rank)

    @cached_property
    def _loss_within_rank(self) -> Any:
        """nnU-Net's loss without deep supervision, of what one rank has.

        Its batch Dice waits for all ranks, of which some may have no sample with a modality.
        """
        loss = of_one_scale(self.loss)
        return within_rank(loss) if self.is_ddp else loss

    def _regional_loss(self, coarser: list[Tensor], batch: MultiEncoderBatch) -> Tensor:
        """Return the sum over scales of the loss of their logits at full resolution."""
        if self.settings.weight_regional == 0:
            return torch.stack([_nothing(scale) for scale in coarser]).sum()
        target = full_resolution(batch.target)
        losses = [self.full_resolution_loss(resize(scale.float(), target.shape[2:]), target) for scale in coarser]
        return torch.stack(losses).sum()


def _nothing(logits: Tensor) -> Tensor:
    """Return 0 that is in the graph: DDP waits for every weight's gradient."""
    return 0 * logits.float().sum()
