"""nnUNetTrainerMSTKD (L3): wiring; the mathematics is in distillation/ and losses/."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import GradScaler, Tensor, nn

from nnunetv2_mstkd.architectures import MSTKDNetwork, NetworkFeatures
from nnunetv2_mstkd.distillation.diagnostics import attention_entropy, gradient_norms
from nnunetv2_mstkd.distillation.settings import DistillationSettings, settings_from_plans
from nnunetv2_mstkd.distillation.step import (
    STUDENT_SEGMENTATION,
    StepTarget,
    discriminator_loss,
    distillation_terms,
    judged,
    needs_attention,
    sample_weights,
    segmentation_terms,
    total_loss,
    valid_voxels,
)
from nnunetv2_mstkd.distillation.subset_draw import Codes, mask_modalities
from nnunetv2_mstkd.distillation.term_modules import build_discriminators, build_regressor
from nnunetv2_mstkd.distillation.terms import ADVERSARIAL, DISCRIMINATORS, active_weights
from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.losses import sigmoid_ramp_up
from nnunetv2_mstkd.trainers.adversary import Adversary
from nnunetv2_mstkd.trainers.dedicated_trainer import DedicatedTrainer
from nnunetv2_mstkd.trainers.optimizer import optimize
from nnunetv2_mstkd.trainers.pretrained import PretrainedStart
from nnunetv2_mstkd.trainers.teacher import make_teacher
from nnunetv2_mstkd.unwrap import unwrap


class nnUNetTrainerMSTKD(DedicatedTrainer):
    """Train a teacher that sees every modality and a student that sees a random subset of them; keep the student.

    `self.network` is the student: it is validated, saved and used for prediction. Teacher, discriminators and regressor
    exist in training only. The setting `teacher` has cheaper kinds of teacher, one file each in trainers/teacher/.
    """

    default_settings: ClassVar[DistillationSettings] = DistillationSettings()
    settings: DistillationSettings
    adversaries: dict[str, Adversary]  # by term
    regressor: Any  # under DDP in its wrapper; None where no term needs it

    # building -------------------------------------------------------------------------------------------------------

    @classmethod
    def build_bare_network(
        cls,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool,
    ) -> nn.Module:
        """Build a branch on the plans' network."""
        plan_network = super().build_bare_network(
            plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision
        )
        settings = settings_from_plans(cls.default_settings, plans_manager.plans)
        return MSTKDNetwork(
            plan_network,
            configuration_manager.patch_size,
            preset=settings.preset,
            use_transformer=settings.use_multiscale_transformer,
            use_style_fusion=settings.use_style_matching,
        )

    def _build_branch(self, use_transformer: bool, use_style_fusion: bool) -> Any:
        """Build a network beside the student."""
        plan_network = super().build_bare_network(
            self.plans_manager,
            self.configuration_manager,
            self.num_input_channels,
            self.label_manager.num_segmentation_heads,
            self.enable_deep_supervision,
        )
        branch: Any = MSTKDNetwork(
            plan_network,
            self.configuration_manager.patch_size,
            preset=self.settings.preset,
            use_transformer=use_transformer,
            use_style_fusion=use_style_fusion,
        ).to(self.device)
        return self.compiled(branch)

    def initialize(self) -> None:
        """Build student, teacher and what the terms need beside them, compiled and distributed alike."""
        super().initialize()
        self._teacher.distribute(self.distribute)
        for adversary in self.adversaries.values():
            adversary.discriminator = self.distribute(adversary.discriminator)
        if self.regressor is not None:
            self.regressor = self.distribute(self.regressor)
        self.pretrained_start = PretrainedStart(unwrap(self.network), self._teacher.follows_pretrained_weights())
        self.record = {}

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        """Build what is trained beside the student, and the optimisers: one of both branches, the discriminators'."""
        student: Any = unwrap(self.network)
        self._teacher = make_teacher(self.settings, student, self._build_branch, self.my_init_kwargs)
        num_outputs = self.label_manager.num_segmentation_heads
        discriminators = build_discriminators(self.settings, student.encoder, num_outputs)
        self.adversaries = {term: self._adversary(module) for term, module in discriminators.items()}
        regressor = build_regressor(self.settings, student.encoder)
        self.regressor = None if regressor is None else self.compiled(regressor.to(self.device))
        return super().configure_optimizers()

    def _adversary(self, discriminator: nn.Module) -> Adversary:
        scaler = GradScaler(self.device.type) if self.grad_scaler is not None else None
        return Adversary(discriminator.to(self.device), self.settings.discriminator_lr, self.num_epochs, scaler)

    @property
    def teacher(self) -> Any:
        """The teacher's network: the student itself where it has none of its own."""
        return self.network if self._teacher.network is None else self._teacher.network

    @property
    def discriminator(self) -> nn.Module | None:
        """The style's discriminator, under DDP in its wrapper; None where no term needs it."""
        return self.adversaries[ADVERSARIAL].discriminator if ADVERSARIAL in self.adversaries else None

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Switch deep supervision in both branches."""
        super().set_deep_supervision_enabled(enabled)
        teacher: Any = unwrap(self.teacher)
        teacher.decoder.deep_supervision = enabled

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's datasets.

        Raises:
            SettingsError: if there is nothing to distil: no training case has all modalities, and others do not count.
        """
        training, validation = super().get_tr_and_val_datasets()
        if not self.available.complete_cases(training.identifiers) and not self.settings.incomplete_teacher_weight:
            raise SettingsError(
                f"None of the {len(training.identifiers)} training cases of fold {self.fold} has all of "
                f"{list(self.modalities)}, so that there is nothing to distil. Set incomplete_teacher_weight above 0, "
                f"or train nnUNetTrainerModalityDropout"
            )
        return training, validation

    # one training step ----------------------------------------------------------------------------------------------

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

    def _terms(
        self, teacher: NetworkFeatures, student: NetworkFeatures, target: StepTarget, regressor: Any
    ) -> dict[str, Tensor]:
        bare: dict[str, nn.Module] = {term: unwrap(each.discriminator) for term, each in self.adversaries.items()}
        return {
            **segmentation_terms(teacher, student, target, self.loss, self.settings),
            **distillation_terms(teacher, student, bare, target, self.settings, regressor),
        }

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

    def _probe(self, image: Tensor, masked: Tensor, target: StepTarget, ramp: float) -> dict[str, float]:
        """Measure an epoch's gradient norms and attention entropy, on its first batch and outside its step.

        A forward pass of its own through the bare networks: inside torch.compile's there is no bottleneck to
        differentiate by, and no step pays for kept graphs.
        """
        scale = self.grad_scaler.get_scale() if self.grad_scaler is not None else 1.0
        has_maps = self.settings.use_multiscale_transformer
        with self.step_rng(), self.autocast():
            with torch.no_grad():
                teacher = unwrap(self.teacher)(image, True, has_maps)
            student = unwrap(self.network)(masked, True, has_maps)
            bare_regressor = None if self.regressor is None else unwrap(self.regressor)
            terms = self._terms(teacher, student, target, bare_regressor)
        weights = {term: ramp * weight for term, weight in active_weights(self.settings).items()}
        weighted = {term: terms[term] * weight for term, weight in {STUDENT_SEGMENTATION: 1.0, **weights}.items()}
        norms = gradient_norms(weighted, student.encoded, scale)
        if not sample_weights(target.teacher_is_complete, self.settings).any():
            norms.update(dict.fromkeys(weights, math.nan))  # nothing is distilled in this batch: no norm, rather than 0
        return {
            **{f"gradient_{term}": norm for term, norm in norms.items()},
            "attention_entropy_student": attention_entropy(student.attention),
            "attention_entropy_teacher": attention_entropy(teacher.attention),
        }

    # the loop -------------------------------------------------------------------------------------------------------

    def branches(self) -> dict[str, nn.Module]:
        """Return student and teacher, which the student itself may be."""
        own = {} if self._teacher.network is None else {"teacher": self.teacher}
        return {**super().branches(), **own}

    def trained_networks(self) -> list[nn.Module]:
        """Return the student and, where there are such, the teacher that is trained and the regressor; bare."""
        regressor = None if self.regressor is None else unwrap(self.regressor)
        beside = (self._teacher.trained_network(), regressor)
        return [*super().trained_networks(), *(network for network in beside if network is not None)]

    def on_train_start(self) -> None:
        """Start training."""
        if not self.was_initialized:
            self.initialize()
        self.pretrained_start.end()
        for line in self._teacher.start(self.fold):
            self.print_to_log_file(line)
        super().on_train_start()

    def on_train_epoch_start(self) -> None:
        """Start an epoch's training, of all networks."""
        super().on_train_epoch_start()
        self._teacher.set_training(True)
        for adversary in self.adversaries.values():
            adversary.scheduler.step(self.current_epoch)
        self.record.update({f"weight_{term}": weight for term, weight in active_weights(self.settings).items()})

    def on_validation_epoch_start(self) -> None:
        """Start an epoch's validation."""
        super().on_validation_epoch_start()
        self._teacher.set_training(False)

    # checkpoints ----------------------------------------------------------------------------------------------------

    def training_state(self) -> dict[str, Any]:
        """Return what training needs beyond the student's weights: teacher, discriminators and regressor too."""
        return {
            **super().training_state(),
            **self._teacher.state_dict(),
            "adversaries": {term: adversary.state_dict() for term, adversary in self.adversaries.items()},
            **({} if self.regressor is None else {"regressor_weights": unwrap(self.regressor).state_dict()}),
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `training_state` returned."""
        super().load_training_state(state)
        self._teacher.load_state_dict(state)
        if self.regressor is not None:
            unwrap(self.regressor).load_state_dict(state["regressor_weights"])
        # checkpoints from before there were several have the style's alone
        states = state["adversaries"] if "adversaries" in state else {ADVERSARIAL: state["adversary_state"]}
        for term, adversary in self.adversaries.items():
            adversary.load_state_dict(states[term])

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the student's weights; pretrained ones are no longer expected then."""
        self.pretrained_start.end()
        super().load_weights(weights)
