"""What shows whether distillation helps or drowns the segmentation: gradient norms and attention entropy (L2)."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from nnunetv2_mstkd.architectures import NetworkFeatures


def measure_balance(
    terms: Mapping[str, Tensor],
    weights: Mapping[str, float],
    teacher: NetworkFeatures,
    student: NetworkFeatures,
    scale: float = 1.0,
) -> dict[str, float]:
    """Return what is on record of one step: each term's weighted gradient norm, and both attention entropies.

    Args:
        terms: scalars, not weighted, of the graph of `student`.
        weights: of the terms that are measured, ramp included.
        teacher: features with attention maps, empty without a transformer.
        student: likewise; the norms are at its deepest encoder feature.
        scale: of a GradScaler.
    """
    norms = gradient_norms({term: terms[term] * weight for term, weight in weights.items()}, student.encoded, scale)
    return {
        **{f"gradient_{term}": norm for term, norm in norms.items()},
        "attention_entropy_student": attention_entropy(student.attention),
        "attention_entropy_teacher": attention_entropy(teacher.attention),
    }


def gradient_norms(terms: Mapping[str, Tensor], feature: Tensor, scale: float = 1.0) -> dict[str, float]:
    """Return the L2 norm of each term's gradient at a feature.

    Terms of different kinds cannot be compared by value (nnU-Net's Dice loss is negative); by this they can.

    Args:
        terms: weighted scalars, of one graph.
        feature: of that graph, upstream of all terms: the student's deepest encoder feature.
        scale: of a GradScaler: applied before the backward pass, so that half precision does not underflow, and
            divided out.

    Returns:
        one norm per term; 0 for a term that does not depend on the feature.
    """
    norms = {}
    for name, term in terms.items():
        (gradient,) = torch.autograd.grad(term * scale, feature, retain_graph=True, allow_unused=True)
        norms[name] = 0.0 if gradient is None else float(gradient.float().norm()) / scale
    return norms


def attention_entropy(attention: Sequence[Tensor]) -> float:
    """Return the mean entropy of attention rows relative to the uniform one's.

    Args:
        attention: maps (B, heads, N, N), rows summing to 1.

    Returns:
        in [0, 1]; 1 = each token attends to all alike: the transformer has collapsed to averaging. NaN without maps.
    """
    if not attention:
        return math.nan
    rows = [torch.special.entr(weights.detach().float()).sum(-1) for weights in attention]  # (B, heads, N) each
    relative = [row.mean() / math.log(max(2, row.shape[-1])) for row in rows]
    return float(torch.stack(relative).mean())
