"""L_mse: agreement of the predicted probabilities (L1)."""

import torch
from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shape, stop_gradient, valid_voxels, voxel_mean
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def probability_consistency(
    teacher_logits: Tensor,
    student_logits: Tensor,
    regions: bool,
    *,
    valid: Tensor | None = None,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the squared difference of the probabilities, summed over channels, averaged over voxels.

    Args:
        teacher_logits: float (B, C, *S). Raw scores, class or region axis 1.
        student_logits: float, the same shape.
        regions: True: channels are regions that may overlap (sigmoid). False: they are exclusive classes (softmax).
        valid: bool or 0/1 (B, 1, *S), False where the voxel is to be ignored; None if all count.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar, from 0 to C (regions) or 2 (classes), mean over valid voxels and batch; 0 iff the probabilities
        are equal.

    Raises:
        ShapeError: if the shapes differ, `valid` is not (B, 1, *S), or the weights are not one per sample.

    Source: MST-KDNet (arXiv 2507.22626), L_mse, as released: a sum of the channels' MSEs, there over three sigmoid
    channels. Differs in: softmax for exclusive classes, all channels, stop-gradient on the teacher, valid voxels.

    Example:
        >>> import torch
        >>> certain = torch.tensor([100.0, -100.0]).reshape(1, 2, 1, 1)
        >>> probability_consistency(certain, -certain, regions=False)
        tensor(2.)
    """
    check_same_shape("logits", teacher_logits, student_logits, "(B, C, *S)", min_axes=3)
    is_valid = valid_voxels(valid, student_logits)
    per_sample = _compare(stop_gradient(teacher_logits, detach_teacher), student_logits, is_valid, regions)
    return batch_mean(per_sample, sample_weights)


@in_full_precision
def _compare(teacher: Tensor, student: Tensor, valid: Tensor | None, regions: bool) -> Tensor:
    if regions:
        difference = torch.sigmoid(teacher) - torch.sigmoid(student)
    else:
        difference = torch.softmax(teacher, 1) - torch.softmax(student, 1)
    return voxel_mean(difference.square().sum(1), valid)  # (B,)
