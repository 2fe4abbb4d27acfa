"""nnUNetTrainerMSTKD: one step of a teacher and a student (L3). The mathematics is in distillation/ and losses/."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.architectures import NetworkFeatures
from nnunetv2_mstkd.distillation.adversarial import discriminator_loss, judged
from nnunetv2_mstkd.distillation.diagnostics import measure_balance
from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION
from nnunetv2_mstkd.distillation.step import (
    distillation_terms,
    needs_attention,
    sample_weights,
    segmentation_terms,
    total_loss,
)
from nnunetv2_mstkd.distillation.step_target import StepTarget, valid_voxels
from nnunetv2_mstkd.distillation.subset_draw import Codes, mask_modalities
from nnunetv2_mstkd.distillation.terms import DISCRIMINATORS, active_weights
from nnunetv2_mstkd.losses import sigmoid_ramp_up
from nnunetv2_mstkd.trainers.distillation_trainer import DistillationTrainer
from nnunetv2_mstkd.trainers.optimizer import optimize
from nnunetv2_mstkd.unwrap import unwrap


class nnUNetTrainerMSTKD(DistillationTrainer):
    """Train a teacher that sees every modality and a student that sees a random subset of them; keep the student."""

    def train_step(self, batch: dict) -> dict:
        """Train both branches with one backward pass, then the discriminators on what they judge, detached."""
        image, available = self.available_image(batch)
        modality_mask = self.training_mask(available)
        target = self._step_target(batch["target"], modality_mask, available)
        masked = mask_modalities(image, modality_mask)
        ramp = self._ramp()
        if self.iteration == 0:
            self.record.update({"ramp": ramp, **self._probe(image, masked, target, ramp)})

        self.optimizer.zero_grad(set_to_none=True)
        with self.step_rng(), self.autocast():
            teacher, student = self._teacher.forward(self.network, image, masked, needs_attention(self.settings))
            terms = self._terms(teacher, student, target, self.regressor)
            loss = total_loss(terms, self.settings, ramp)
        optimize(loss, self.optimizer, self.trained_networks(), self.grad_scaler)
        self._teacher.after_step(unwrap(self.network), self.steps_done)
        terms.update(self._train_adversaries(teacher, student, target))
        return self.end_step({**terms, "total": loss}, batch)

    def _step_target(self, target: Tensor | list[Tensor], modality_mask: Tensor, available: Codes) -> StepTarget:
        target = self.on_device(target)
        regions = self.label_manager.has_regions
        valid = valid_voxels(target, regions, self.label_manager.ignore_label)
        teacher_is_complete = torch.from_numpy(self.available.is_complete(available))
        masks = (modality_mask.all(dim=1), teacher_is_complete)
        return StepTarget(target, regions, valid, *(mask.to(self.device, non_blocking=True) for mask in masks))

    def _ramp(self) -> float:
        fraction = self.settings.ramp_fraction
        return sigmoid_ramp_up(self.training_progress / fraction if fraction else 1.0)

    def _terms(
        self, teacher: NetworkFeatures, student: NetworkFeatures, target: StepTarget, regressor: Any
    ) -> dict[str, Tensor]:
        bare: dict[str, nn.Module] = {term: unwrap(each.discriminator) for term, each in self.adversaries.items()}
        return {
            **segmentation_terms(teacher, student, target, self.loss, self.settings),
            **distillation_terms(teacher, student, bare, target, self.settings, regressor),
        }

    def _train_adversaries(
        self, teacher: NetworkFeatures, student: NetworkFeatures, target: StepTarget
    ) -> dict[str, Tensor]:
        """Train each discriminator one step; return their losses by their names on record."""
        losses = {}
        for term, adversary in self.adversaries.items():
            with torch.no_grad():  # what is judged keeps nothing for a backward pass: none goes to the networks
                maps = [judged(term, features, target.regions, target.valid) for features in (teacher, student)]
            loss_of = partial(discriminator_loss, teacher_judged=maps[0], student_judged=maps[1], target=target)
            losses[DISCRIMINATORS[term]] = adversary.train_step(loss_of, self.autocast())
        return losses

    def _probe(self, image: Tensor, masked: Tensor, target: StepTarget, ramp: float) -> dict[str, float]:
        """Measure an epoch's gradient norms and attention entropy, on its first batch and outside its step.

        A forward pass of its own through the bare networks: inside torch.compile's there is no bottleneck to
        differentiate by, and no step pays for kept graphs.
        """
        has_maps = self.settings.use_multiscale_transformer
        with self.step_rng(), self.autocast():
            with torch.no_grad():
                teacher = unwrap(self.teacher)(image, True, has_maps)
            student = unwrap(self.network)(masked, True, has_maps)
            bare_regressor = None if self.regressor is None else unwrap(self.regressor)
            terms = self._terms(teacher, student, target, bare_regressor)
        weights = {term: ramp * weight for term, weight in active_weights(self.settings).items()}
        scale = self.grad_scaler.get_scale() if self.grad_scaler is not None else 1.0
        measured = measure_balance(terms, {SEGMENTATION: 1.0, **weights}, teacher, student, scale)
        if not sample_weights(target.teacher_is_complete, self.settings).any():
            # nothing is distilled in this batch: no norm, rather than 0
            measured.update({f"gradient_{term}": math.nan for term in weights})
        return measured
