"""What the discriminator of complete and incomplete styles learns from (L1)."""

from torch import Tensor

from nnunetv2_mstkd.losses._reduction import batch_mean
from nnunetv2_mstkd.losses._scores import check_scores, cross_entropy_with_full


def adversarial_discriminator(
    teacher_scores: Tensor,
    student_scores: Tensor,
    *,
    sample_weights: Tensor | None = None,
    teacher_weights: Tensor | None = None,
    detach_teacher: bool = True,
) -> Tensor:
    """Return the cross entropy of the teacher's scores against "full" plus the student's against "missing".

    It works on scores, so that there is no teacher to detach: the caller detaches both styles before the
    discriminator, lest its loss train the networks.

    Args:
        teacher_scores: float (B,) or (B, 1). Raw scores of the discriminator: > 0 means "all modalities present".
        student_scores: float, one per sample too.
        sample_weights: (B,), the factor of each sample's "missing" part; None for ones. Give 0 where the student sees
            all modalities: its style is not a missing one.
        teacher_weights: (B,), the same for the "full" part; None for ones. Give 0 where the teacher lacks modalities.
        detach_teacher: without effect: the scores' gradient is the discriminator's own, and the styles are detached
            already; here so that all losses are called alike.

    Returns:
        float scalar >= 0, mean over batch; 2 log 2 at scores of 0.

    Raises:
        ShapeError: if the scores are not one per sample, their numbers differ, or the weights are not one per sample.

    Source: MST-KDNet (arXiv 2507.22626), as released: BCE(D(style_T), full) + BCE(D(style_S), missing). Differs in: on
    raw scores, weights of samples.

    Example:
        >>> import torch
        >>> adversarial_discriminator(torch.zeros(3), torch.zeros(3))
        tensor(1.3863)
    """
    check_scores(teacher_scores=teacher_scores, student_scores=student_scores)
    full = batch_mean(cross_entropy_with_full(teacher_scores), teacher_weights)
    missing = batch_mean(cross_entropy_with_full(-student_scores), sample_weights)
    return full + missing
