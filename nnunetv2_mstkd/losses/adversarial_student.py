"""L_adv: what the student pays when the discriminator tells its style from a complete one (L1)."""

from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean
from nnunetv2_mstkd.losses._scores import check_scores, cross_entropy_with_full


def adversarial_student(
    student_scores: Tensor, *, sample_weights: Tensor | None = None, detach_teacher: bool = True
) -> Tensor:
    """Return the cross entropy of the discriminator's scores of the student's style against "full".

    It falls as the style of an incomplete input gets to look complete. It works on scores, so that there is no teacher
    to detach; let only the student's optimiser step on it.

    Args:
        student_scores: float (B,) or (B, 1). Raw scores of the discriminator: > 0 means "all modalities present".
        sample_weights: (B,), the factor of each sample; None for ones.
        detach_teacher: without effect, as no teacher takes part; here so that all losses are called alike.

    Returns:
        float scalar > 0, mean over batch; log 2 at scores of 0.

    Raises:
        ShapeError: if the scores are not one per sample, or the weights are not.

    Source: MST-KDNet (arXiv 2507.22626), L_adv, as released: BCE(D(style_S), "full"). Differs in: on raw scores,
    sample weights.

    Example:
        >>> import torch
        >>> adversarial_student(torch.zeros(3))
        tensor(0.6931)
    """
    check_scores(student_scores=student_scores)
    return batch_mean(cross_entropy_with_full(student_scores), sample_weights)
