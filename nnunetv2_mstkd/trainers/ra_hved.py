"""nnUNetTrainerRAHVED (L3): wiring; the mathematics is in architectures/ and losses/."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.image_discriminator import ImageDiscriminator, judged_image
from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderFeatures
from nnunetv2_mstkd.architectures.multi_encoder.image_decoders import ImageDecoders
from nnunetv2_mstkd.architectures.multi_encoder.ra_hved import RAHVEDLatents, RAHVEDNetwork
from nnunetv2_mstkd.distillation.adversarial import frozen_scores
from nnunetv2_mstkd.distillation.segmentation import SEGMENTATION
from nnunetv2_mstkd.distillation.settings import RAHVEDSettings
from nnunetv2_mstkd.distillation.step_target import full_resolution, valid_voxels
from nnunetv2_mstkd.distillation.terms import ADVERSARIAL, DISCRIMINATORS
from nnunetv2_mstkd.losses import gaussian_kl, least_squares_adversarial, masked_reconstruction
from nnunetv2_mstkd.trainers.adversary import Adversaries, Adversary
from nnunetv2_mstkd.trainers.halves import halves
from nnunetv2_mstkd.trainers.multi_encoder_batch import MultiEncoderBatch
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderTrainer
from nnunetv2_mstkd.trainers.plan_networks import PlanNetworks
from nnunetv2_mstkd.unwrap import unwrap


class nnUNetTrainerRAHVED(MultiEncoderTrainer):
    """Train RA-HVED: latents fused as a product of experts, rebuilt images, a discriminator of full and partial input.

    Each step sees each image twice, with all that its case has and with a subset of that.

    Source: RA-HVED (ACCV 2022), as released. Differs in: plans, recipe and segmentation loss are nnU-Net's; all
    subsets are drawn, where the released code never draws the one that lacks T1c alone, nor the whole.
    """

    default_settings: ClassVar[RAHVEDSettings] = RAHVEDSettings()
    settings: RAHVEDSettings
    adversaries: Adversaries  # one, or none
    judged: tuple[Tensor, Tensor] | None = None  # of the step at hand: made from subsets, and from all

    # building -------------------------------------------------------------------------------------------------------

    @classmethod
    def build_multi_encoder(
        cls, build: PlanNetworks, num_modalities: int, num_outputs: int, patch_size: tuple[int, ...], settings: Any
    ) -> RAHVEDNetwork:
        """Build the network."""
        return RAHVEDNetwork(build, num_modalities, num_outputs, patch_size)

    def build_auxiliary(self, network: Any) -> ImageDecoders | None:
        """Return the decoders of the images; None where no term with a weight needs them."""
        if self.settings.weight_reconstruction == self.settings.weight_adversarial == 0:
            return None
        return ImageDecoders(self.plan_networks(), len(self.modalities), network.stage_features)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        """Build what only training needs, the discriminator with its optimiser, and the networks' own."""
        discriminators = {}
        if self.settings.weight_adversarial > 0:
            network: Any = unwrap(self.network)
            channels = self.label_manager.num_segmentation_heads + len(self.modalities)
            discriminators[ADVERSARIAL] = ImageDiscriminator(network.encoders[0], network.stage_features, channels)
        is_scaled = self.grad_scaler is not None
        self.adversaries = Adversaries(
            discriminators, self.device, self.settings.discriminator_lr, self.num_epochs, is_scaled
        )
        return super().configure_optimizers()

    def initialize(self) -> None:
        """Build all parts, distributed alike."""
        super().initialize()
        self.adversaries.distribute(self.distribute)

    @property
    def adversary(self) -> Adversary | None:
        """What trains the discriminator; None where no term needs it."""
        return self.adversaries.get(ADVERSARIAL)

    # one training step ----------------------------------------------------------------------------------------------

    def seen(self, batch: MultiEncoderBatch) -> Tensor:
        """Return the masks of both passes, (2 B, M): all that there is, and what was drawn."""
        return torch.cat((batch.available, batch.modality_mask))

    def loss_terms(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Return the loss terms by name, not yet weighted."""
        full, drawn = halves(features.logits)
        terms = {
            SEGMENTATION: self.segmentation_loss(drawn, batch.target),
            "full_segmentation": self.segmentation_loss(full, batch.target),
            "latent_kl": _mean_latent_kl(features.fused),
        }
        if self.auxiliary is None:
            return terms
        full_skips, drawn_skips = halves(features.fused.skips)
        images, full_images = self.auxiliary(drawn_skips, None if self.adversary is None else full_skips)
        terms["reconstruction"] = masked_reconstruction(images, batch.image, batch.available, power=2)
        if self.adversary is not None:
            made, real = self._judged(batch, drawn, images), self._judged(batch, full, full_images)
            scores = frozen_scores(unwrap(self.adversary.discriminator), made)
            self.judged = made.detach(), real.detach()
            terms[ADVERSARIAL] = least_squares_adversarial(scores, sample_weights=_dropped(batch))
        return terms

    def _judged(self, batch: MultiEncoderBatch, logits: Tensor | list[Tensor], images: Tensor) -> Tensor:
        regions = self.label_manager.has_regions
        valid = valid_voxels(batch.target, regions, self.label_manager.ignore_label)
        return judged_image(full_resolution(logits), images, regions, valid=valid)

    def term_weights(self) -> dict[str, float]:
        """Return the weights of the settings."""
        names = ("full_segmentation", "reconstruction", "latent_kl", ADVERSARIAL)
        return {name: getattr(self.settings, f"weight_{name}") for name in names}

    def after_step(self, batch: MultiEncoderBatch, features: MultiEncoderFeatures) -> dict[str, Tensor]:
        """Train the discriminator.

        Samples of which nothing was dropped are no example of what is made from a subset, and cases that lack
        something none of what is made from all modalities.
        """
        if self.adversary is None or self.judged is None:
            return {}
        images, self.judged = torch.cat(self.judged), None
        complete = batch.available.all(dim=1).float()

        def loss_of(discriminator: nn.Module) -> Tensor:
            made, real = discriminator(images).chunk(2)
            loss = least_squares_adversarial(made, 0.0, sample_weights=_dropped(batch))
            loss = loss + least_squares_adversarial(real, 1.0, sample_weights=complete)
            return self.settings.weight_adversarial / 2 * loss

        return {DISCRIMINATORS[ADVERSARIAL]: self.adversary.train_step(loss_of, self.autocast())}

    # the loop -------------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Start an epoch's training, of the discriminator too."""
        super().on_train_epoch_start()
        self.adversaries.start_epoch(self.current_epoch)

    # checkpoints ----------------------------------------------------------------------------------------------------

    def training_state(self) -> dict[str, Any]:
        """Return what training needs beyond the network's weights; the discriminator too."""
        return {**super().training_state(), **self.adversaries.state_dict()}

    def load_training_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `training_state` returned."""
        super().load_training_state(state)
        self.adversaries.load_state_dict(state)


def _dropped(batch: MultiEncoderBatch) -> Tensor:
    """Return 1 for samples of which something was dropped, else 0, float (B,)."""
    return (batch.modality_mask != batch.available).any(dim=1).float()


def _mean_latent_kl(latents: RAHVEDLatents) -> Tensor:
    """Return the mean over the stages, of what the subsets were fused to."""
    means, log_variances = halves(latents.means)[1], halves(latents.log_variances)[1]
    return torch.stack([gaussian_kl(*stage) for stage in zip(means, log_variances, strict=True)]).mean()
