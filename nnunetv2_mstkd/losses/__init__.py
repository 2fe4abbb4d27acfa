"""The loss terms of MST-KD (L1: torch only): pure functions over tensors, one to a file of its own name.

All share four promises:

* Each is computed per sample, multiplied by that sample's `sample_weights` (B,) where given, and divided by the batch
  size (not by the sum of the weights). So a loss is linear in the weights, weights of one change nothing, and the mean
  over the equal shares of a batch (the ranks of a distributed training) is the value of the whole batch.
* They compute in float32 (float64 inputs stay float64), also under autocast and on half-precision inputs.
* The gradient reaches the student only; `detach_teacher=False` lets it reach the teacher too.
* The voxel-wise ones take `valid` (B, 1, *S), False or 0 where the label is to be ignored: means and statistics then
  run over each sample's valid voxels, and a sample without any contributes exactly 0.
"""

from nnunetv2_mstkd.losses.adversarial_discriminator import adversarial_discriminator
from nnunetv2_mstkd.losses.adversarial_student import adversarial_student
from nnunetv2_mstkd.losses.content_distillation import content_distillation
from nnunetv2_mstkd.losses.extreme_value_distillation import extreme_value_distillation
from nnunetv2_mstkd.losses.global_style_matching import global_style_matching
from nnunetv2_mstkd.losses.multiscale_feature_distillation import multiscale_feature_distillation
from nnunetv2_mstkd.losses.probability_consistency import probability_consistency
from nnunetv2_mstkd.losses.region_logit_distillation import region_logit_distillation
from nnunetv2_mstkd.losses.sigmoid_ramp_up import sigmoid_ramp_up
from nnunetv2_mstkd.losses.standardized_logit_distillation import standardized_logit_distillation

__all__ = [
    "adversarial_discriminator",
    "adversarial_student",
    "content_distillation",
    "extreme_value_distillation",
    "global_style_matching",
    "multiscale_feature_distillation",
    "probability_consistency",
    "region_logit_distillation",
    "sigmoid_ramp_up",
    "standardized_logit_distillation",
]
