"""Features in units of the teacher's, so that a weight means the same on every dataset and at every time (L2)."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from nnunetv2_mstkd.architectures import NetworkFeatures

_FLOOR = 1e-6  # of a mean square: a feature that is zero everywhere has no scale


def in_teacher_units(
    teacher: NetworkFeatures, student: NetworkFeatures, compared: Collection[str]
) -> tuple[NetworkFeatures, NetworkFeatures]:
    """Divide what content distillation, L_MST and style matching compare by the teacher's root mean square.

    A squared difference of features grows with the square of their scale, one of Gram matrices with its fourth power,
    and nothing in a network with normalised blocks fixes the scale: it differs between plans and grows during a
    training. A relative difference has none.

    Args:
        teacher: of the whole image; gives the units, one for each feature and sample, without gradient.
        student: of the masked image.
        compared: fields of NetworkFeatures, of `encoded`, `multiscale`, `style` and `content`; both have them.

    Returns:
        (teacher, student) with the compared fields in float32, divided by the same units; the others as they were.
    """
    pairs: dict[str, Any] = {}
    for name in compared:
        mine, theirs = getattr(teacher, name), getattr(student, name)
        if name == "multiscale":
            pairs[name] = tuple(zip(*map(_scaled_pair, mine, theirs), strict=True))
        else:
            pairs[name] = _scaled_pair(mine, theirs)
    return (
        teacher._replace(**{name: pair[0] for name, pair in pairs.items()}),
        student._replace(**{name: pair[1] for name, pair in pairs.items()}),
    )


def _scaled_pair(teacher: Tensor, student: Tensor) -> tuple[Tensor, Tensor]:
    """Divide features (B, C, *S) by the teacher's root mean square over C and S."""
    with torch.autocast(teacher.device.type, enabled=False):
        mean_square = teacher.detach().float().square().flatten(1).mean(1).clamp(min=_FLOOR)
        unit = mean_square.rsqrt().reshape(-1, *[1] * (teacher.ndim - 1))
        return teacher.float() * unit, student.float() * unit
