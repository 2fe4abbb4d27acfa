"""Settings of RA-HVED (L2)."""

from dataclasses import dataclass

from nnunetv2_mstkd.distillation.settings.subset import SubsetSettings


@dataclass(frozen=True)
class RAHVEDSettings(SubsetSettings):
    """Settings of nnUNetTrainerRAHVED. Weights are relative to the segmentation loss of the subset, which has weight 1.

    Args:
        weight_full_segmentation: of the segmentation loss of all that a case has, beside that of the subset.
        weight_reconstruction: of the mean squared difference of the rebuilt images and the images.
        weight_latent_kl: of the KL divergence of the fused latents from standard normal distributions.
        weight_adversarial: of the least-squares loss of what the discriminator sees; the discriminator's own loss has
            half of it. 0: no discriminator.
        discriminator_lr: initial learning rate of the discriminator's Adam.
    """

    weight_full_segmentation: float = 1.0
    weight_reconstruction: float = 0.2
    weight_latent_kl: float = 0.2
    weight_adversarial: float = 0.1
    discriminator_lr: float = 1e-4
