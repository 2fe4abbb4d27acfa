"""The loss terms of MST-KD and of its peers (L1: torch only): pure functions over tensors, one to a file of its name.

All share four promises:

* Each is computed per sample, multiplied by that sample's `sample_weights` (B,) where given, and divided by the batch
  size (not by the sum of the weights). So a loss is linear in the weights, weights of one change nothing, and the mean
  over the equal shares of a batch (the ranks of a distributed training) is the value of the whole batch.
* They compute in float32 (float64 inputs stay float64), also under autocast and on half-precision inputs.
* Of a teacher and a student, the gradient reaches the student only, unless `detach_teacher=False`.
* The voxel-wise ones take `valid` (B, 1, *S), False or 0 where the label is to be ignored: means and statistics then
  run over each sample's valid voxels, and a sample without any contributes exactly 0.

`entropy_map` is none of them, and in its file alone: it returns a map for a discriminator, and no loss.
"""

from nnunetv2_mstkd.losses.adversarial_discriminator import adversarial_discriminator
from nnunetv2_mstkd.losses.adversarial_student import adversarial_student
from nnunetv2_mstkd.losses.content_distillation import content_distillation
from nnunetv2_mstkd.losses.extreme_value_distillation import extreme_value_distillation
from nnunetv2_mstkd.losses.gaussian_kl import gaussian_kl
from nnunetv2_mstkd.losses.global_style_matching import global_style_matching
from nnunetv2_mstkd.losses.least_squares_adversarial import least_squares_adversarial
from nnunetv2_mstkd.losses.masked_reconstruction import masked_reconstruction
from nnunetv2_mstkd.losses.multiscale_feature_distillation import multiscale_feature_distillation
from nnunetv2_mstkd.losses.mutual_information_transfer import mutual_information_transfer
from nnunetv2_mstkd.losses.probability_consistency import probability_consistency
from nnunetv2_mstkd.losses.region_logit_distillation import region_logit_distillation
from nnunetv2_mstkd.losses.sigmoid_ramp_up import sigmoid_ramp_up
from nnunetv2_mstkd.losses.standardized_logit_distillation import standardized_logit_distillation
from nnunetv2_mstkd.losses.style_kl import style_kl

__all__ = [
    "adversarial_discriminator",
    "adversarial_student",
    "content_distillation",
    "extreme_value_distillation",
    "gaussian_kl",
    "global_style_matching",
    "least_squares_adversarial",
    "masked_reconstruction",
    "multiscale_feature_distillation",
    "mutual_information_transfer",
    "probability_consistency",
    "region_logit_distillation",
    "sigmoid_ramp_up",
    "standardized_logit_distillation",
    "style_kl",
]
