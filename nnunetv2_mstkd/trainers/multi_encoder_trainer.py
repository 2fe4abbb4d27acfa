"""What trainers of networks with an encoder for each modality have in common (L3)."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderFeatures, MultiEncoderNetwork
from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION, precise_loss
from nnunetv2_mstkd.distillation.settings import settings_from_plans
from nnunetv2_mstkd.distillation.step_target import full_resolution
from nnunetv2_mstkd.distillation.subset_draw import modality_mask_from_codes
from nnunetv2_mstkd.trainers.loss_parts import of_one_scale
from nnunetv2_mstkd.trainers.multi_encoder_batch import MultiEncoderBatch
from nnunetv2_mstkd.trainers.optimizer import optimize
from nnunetv2_mstkd.trainers.plan_networks import PlanNetworks
from nnunetv2_mstkd.trainers.recording_trainer import RecordingTrainer
from nnunetv2_mstkd.trainers.stand_in import stand_in
from nnunetv2_mstkd.trainers.told_modalities import ToldModalities
from nnunetv2_mstkd.unwrap import unwrap


class MultiEncoderTrainer(RecordingTrainer):
    """Trains a network that is told which modalities each sample has. Not a trainer to ask for by name.

    Subclasses say which network (`build_multi_encoder`), what only training needs beside it (`build_auxiliary`), and
    which loss terms there are (`loss_terms`, `term_weights`).
    """

    auxiliary: Any  # its wrapper under DDP; None where a method has none

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
        """Build the network on the plans' U-Net."""
        build = PlanNetworks(configuration_manager, enable_deep_supervision)
        settings: Any = settings_from_plans(cls.default_settings, plans_manager.plans)
        patch_size = tuple(configuration_manager.patch_size)
        return cls.build_multi_encoder(build, num_input_channels, num_output_channels, patch_size, settings)

    @classmethod
    @abstractmethod
    def build_multi_encoder(
        cls, build: PlanNetworks, num_modalities: int, num_outputs: int, patch_size: tuple[int, ...], settings: Any
    ) -> MultiEncoderNetwork:
        """Build the network.

        Args:
            build: makes the plans' U-Nets.
            num_modalities: input channels.
            num_outputs: of the logits.
            patch_size: voxels, as planned.
            settings: of the trainer.
        """

    def build_auxiliary(self, network: Any) -> nn.Module | None:
        """Return the modules that only training needs; the network's own optimiser trains them.

        One module, with one forward pass in a step (DDP). It is neither in the model nor run at prediction.

        Args:
            network: bare.
        """
        return None

    def plan_networks(self, deep_supervision: bool = False) -> PlanNetworks:
        """Return what makes U-Nets of the plans."""
        return PlanNetworks(self.configuration_manager, deep_supervision)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        """Build what only training needs, and the optimiser of both."""
        auxiliary = self.build_auxiliary(unwrap(self.network))
        self.auxiliary = None if auxiliary is None else self.compiled(auxiliary.to(self.device))
        return super().configure_optimizers()

    def initialize(self) -> None:
        """Build all parts, distributed alike."""
        super().initialize()
        if self.auxiliary is not None:
            self.auxiliary = self.distribute(self.auxiliary)

    def trained_networks(self) -> list[nn.Module]:
        """Return the network and what is trained with it; bare."""
        beside = [] if self.auxiliary is None else [unwrap(self.auxiliary)]
        return [*super().trained_networks(), *beside]

    # one training step ----------------------------------------------------------------------------------------------

    def train_step(self, batch: dict) -> dict:
        """Train one step on subsets of what each sample has."""
        prepared = self._prepare(batch)
        self.optimizer.zero_grad(set_to_none=True)
        with self.step_rng(), self.autocast():
            features: MultiEncoderFeatures = self.network(prepared.image, self.seen(prepared), True)
            terms = self.loss_terms(prepared, features)
            weights = {SEGMENTATION: 1.0, **self.term_weights()}
            loss = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        optimize(loss, self.optimizer, self.trained_networks(), self.grad_scaler)
        more = self.after_step(prepared, features)
        return self.end_step({**terms, **more, "total": loss}, batch)

    def _prepare(self, batch: dict) -> MultiEncoderBatch:
        image, codes = self.available_image(batch)
        available = modality_mask_from_codes(codes, len(self.modalities))
        drawn = self.training_mask(codes)
        available, drawn = (mask.to(self.device, non_blocking=True) for mask in (available, drawn))
        return MultiEncoderBatch(image, available, drawn, self.on_device(batch["target"]))

    def seen(self, batch: MultiEncoderBatch) -> Tensor:
        """Return the modality mask bool (K * B, M) that the network is called with: by default what was drawn."""
        return batch.modality_mask

    @abstractmethod
    def loss_terms(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Return the loss terms by name, not yet weighted; one of them is "segmentation".

        Args:
            batch: of the step.
            features: of the network, on the masks of `seen`.
        """

    def term_weights(self) -> dict[str, float]:
        """Return the weight of each further term that `loss_terms` returns; "segmentation" has 1."""
        return {}

    def after_step(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Train what has an optimiser of its own, and return its loss terms by name."""
        return {}

    def segmentation_loss(self, logits: Tensor | list[Tensor], target: Tensor | list[Tensor]) -> Tensor:
        """Return nnU-Net's loss in full precision, with deep supervision where there is."""
        return precise_loss(logits, target, self.loss)

    def full_resolution_loss(self, logits: Tensor, target: Tensor | list[Tensor]) -> Tensor:
        """Return nnU-Net's loss of logits (B, C, *patch) without deep supervision, in full precision."""
        return precise_loss(logits, full_resolution(target), of_one_scale(self.loss))

    # the loop -------------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Start an epoch's training."""
        super().on_train_epoch_start()
        if self.auxiliary is not None:
            self.auxiliary.train()

    def validate_seeing(self, batch: dict, modality_mask: Tensor) -> dict:
        """Validate on the modalities of the mask (B, M)."""
        told = ToldModalities(self.network, modality_mask.to(self.device, non_blocking=True))
        with stand_in(self, told):
            return super().validate_seeing(batch, modality_mask)

    # checkpoints ----------------------------------------------------------------------------------------------------

    def training_state(self) -> dict[str, Any]:
        """Return what training needs beyond the network's weights."""
        auxiliary = {} if self.auxiliary is None else unwrap(self.auxiliary).state_dict()
        return {**super().training_state(), "auxiliary_weights": auxiliary}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `training_state` returned."""
        super().load_training_state(state)
        if self.auxiliary is not None:
            unwrap(self.auxiliary).load_state_dict(state["auxiliary_weights"])
