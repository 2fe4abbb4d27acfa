"""What a training with a teacher is made of: the networks, their start, their checkpoints (L3)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import Tensor, nn

from nnunetv2_mstkd.architectures import MSTKDNetwork
from nnunetv2_mstkd.architectures.style_fusion import MST_KD_STAGES
from nnunetv2_mstkd.distillation.settings import DistillationSettings, settings_from_plans
from nnunetv2_mstkd.distillation.term_modules import build_discriminators, build_regressor
from nnunetv2_mstkd.distillation.terms import ADVERSARIAL, active_weights
from nnunetv2_mstkd.trainers.adversary import Adversaries
from nnunetv2_mstkd.trainers.dedicated_trainer import DedicatedTrainer
from nnunetv2_mstkd.trainers.pretrained import PretrainedStart
from nnunetv2_mstkd.trainers.refusals import refuse_nothing_to_distil
from nnunetv2_mstkd.trainers.teacher import make_teacher
from nnunetv2_mstkd.unwrap import unwrap


class DistillationTrainer(DedicatedTrainer):
    """Holds a student, a teacher and what the terms between them need. Not a trainer to ask for by name.

    `self.network` is the student: it is validated, saved and used for prediction. Discriminators, the regressor and a
    teacher with weights of its own exist in training only. The kinds of teacher are a file each in trainers/teacher/.
    """

    default_settings: ClassVar[DistillationSettings] = DistillationSettings()
    style_stages: ClassVar[tuple[int, ...]] = MST_KD_STAGES  # what the style is made of
    settings: DistillationSettings
    adversaries: Adversaries
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
            style_stages=cls.style_stages,
        )

    def _build_branch(
        self, use_transformer: bool, use_style_fusion: bool, style_stages: tuple[int, ...] | None = None
    ) -> Any:
        """Build a network beside the student; without `style_stages` its style is made of the student's."""
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
            style_stages=self.style_stages if style_stages is None else style_stages,
        ).to(self.device)
        return self.compiled(branch)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        """Build what is trained beside the student, and the optimisers: of student and teacher, of discriminators."""
        student: Any = unwrap(self.network)
        self._teacher = make_teacher(self.settings, student, self._build_branch, self.my_init_kwargs)
        num_outputs = self.label_manager.num_segmentation_heads
        discriminators = build_discriminators(self.settings, student.encoder, num_outputs)
        is_scaled = self.grad_scaler is not None
        self.adversaries = Adversaries(
            discriminators, self.device, self.settings.discriminator_lr, self.num_epochs, is_scaled
        )
        regressor = build_regressor(self.settings, student.encoder)
        self.regressor = None if regressor is None else self.compiled(regressor.to(self.device))
        return super().configure_optimizers()

    def initialize(self) -> None:
        """Build student, teacher and what the terms need beside them, compiled and distributed alike."""
        super().initialize()
        self._teacher.distribute(self.distribute)
        self.adversaries.distribute(self.distribute)
        if self.regressor is not None:
            self.regressor = self.distribute(self.regressor)
        self.pretrained_start = PretrainedStart(unwrap(self.network), self._teacher.follows_pretrained_weights())

    # the parts ------------------------------------------------------------------------------------------------------

    @property
    def teacher(self) -> Any:
        """The teacher's network: the student itself where it has none of its own."""
        return self.network if self._teacher.network is None else self._teacher.network

    @property
    def discriminator(self) -> nn.Module | None:
        """The style's discriminator, under DDP in its wrapper; None where no term needs it."""
        return self.adversaries[ADVERSARIAL].discriminator if ADVERSARIAL in self.adversaries else None

    def branches(self) -> dict[str, nn.Module]:
        """Return student and teacher, which the student itself may be."""
        own = {} if self._teacher.network is None else {"teacher": self.teacher}
        return {**super().branches(), **own}

    def trained_networks(self) -> list[nn.Module]:
        """Return the student and, where there are such, the teacher that is trained and the regressor; bare."""
        regressor = None if self.regressor is None else unwrap(self.regressor)
        beside = (self._teacher.trained_network(), regressor)
        return [*super().trained_networks(), *(network for network in beside if network is not None)]

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Switch deep supervision in both branches."""
        super().set_deep_supervision_enabled(enabled)
        teacher: Any = unwrap(self.teacher)
        teacher.decoder.deep_supervision = enabled

    # the loop -------------------------------------------------------------------------------------------------------

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's datasets.

        Raises:
            SettingsError: if there is nothing to distil.
        """
        training, validation = super().get_tr_and_val_datasets()
        refuse_nothing_to_distil(training.identifiers, self.fold, self.available, self.settings)
        return training, validation

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
        self.adversaries.start_epoch(self.current_epoch)
        self.record.update({f"weight_{term}": weight for term, weight in active_weights(self.settings).items()})

    def on_validation_epoch_start(self) -> None:
        """Start an epoch's validation."""
        super().on_validation_epoch_start()
        self._teacher.set_training(False)

    # checkpoints ----------------------------------------------------------------------------------------------------

    def training_state(self) -> dict[str, Any]:
        """Return what training needs beyond the student's weights: teacher, discriminators and regressor too."""
        regressor = {} if self.regressor is None else {"regressor_weights": unwrap(self.regressor).state_dict()}
        return {
            **super().training_state(),
            **self._teacher.state_dict(),
            **self.adversaries.state_dict(),
            **regressor,
        }

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `training_state` returned."""
        super().load_training_state(state)
        self._teacher.load_state_dict(state)
        self.adversaries.load_state_dict(state)
        if self.regressor is not None:
            unwrap(self.regressor).load_state_dict(state["regressor_weights"])

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load the student's weights; pretrained ones are no longer expected then."""
        self.pretrained_start.end()
        super().load_weights(weights)
