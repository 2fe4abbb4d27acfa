"""L_MI: the teacher's feature as the student's predicts it, a bound on their mutual information (L1)."""

from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.losses._reduction import batch_mean, check_same_shape, stop_gradient
from nnunetv2_mstkd.losses.full_precision import in_full_precision


def mutual_information_transfer(
    teacher_encoded: Tensor,
    student_prediction: Tensor,
    variance: Tensor,
    *,
    sample_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the negative log-likelihood of the teacher's feature under what the student's predicts of it.

    With a normal distribution around the prediction, one variance per channel, this bounds the mutual information of
    both features from below (up to constants and the sign): channels that the student cannot know get a large variance
    and cost little.

    Args:
        teacher_encoded: float (B, C, *S): the target.
        student_prediction: float, the same shape: what a regressor makes of the student's feature.
        variance: (C,), > 0, learned with the regressor.
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: whether the teacher gets no gradient.

    Returns:
        float scalar, mean over channels, voxels and batch; negative where small variances predict well.

    Raises:
        ShapeError: if the shapes differ, the variances are not one per channel, or the weights are not one per sample.

    Source: ACN (arXiv 2106.14591), after variational information distillation. Differs in: the target is the teacher's
    feature; the released code gives the student's own feature as target, so that nothing is transferred.

    Example:
        >>> import torch
        >>> teacher = torch.zeros(1, 2, 4, 4)
        >>> mutual_information_transfer(teacher, teacher + 2, torch.ones(2))  # (2^2 / 1 + log 1) / 2
        tensor(2.)
    """
    check_same_shape("feature", teacher_encoded, student_prediction, "(B, C, *S)", min_axes=3)
    if tuple(variance.shape) != (teacher_encoded.shape[1],):
        raise ShapeError(
            f"variance has shape {tuple(variance.shape)}, but features of shape {tuple(teacher_encoded.shape)} need "
            f"({teacher_encoded.shape[1]},), one per channel"
        )
    teacher = stop_gradient(teacher_encoded, detach_teacher)
    return batch_mean(_negative_log_likelihood(teacher, student_prediction, variance), sample_weights)


@in_full_precision
def _negative_log_likelihood(teacher: Tensor, prediction: Tensor, variance: Tensor) -> Tensor:
    per_channel = variance.to(prediction).reshape(-1, *(1,) * (prediction.ndim - 2))  # (C, 1, ...)
    squared = (teacher - prediction).square() / per_channel
    return ((squared + per_channel.log()) / 2).flatten(1).mean(1)  # (B,)
