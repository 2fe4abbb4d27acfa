"""What the outputs of a training step are compared with (L2)."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class StepTarget:
    """What a step's outputs are compared with.

    Args:
        target: as nnU-Net's loss takes it: one tensor, or with deep supervision a list of them.
        regions: True if the channels of the logits are regions (sigmoid), False if they are labels (softmax).
        valid: (B, 1, *patch) bool, False where the ignore label is; None if there is no such label.
        is_complete: (B,) bool, True for samples whose subset lacks nothing.
        teacher_is_complete: (B,) bool, True for samples of which the teacher sees all modalities.
    """

    target: Tensor | list[Tensor]
    regions: bool
    valid: Tensor | None
    is_complete: Tensor
    teacher_is_complete: Tensor


def full_resolution(scales: Tensor | list[Tensor]) -> Tensor:
    """Return the logits, or the target, at the patch's own resolution: the first of what deep supervision has."""
    return scales[0] if isinstance(scales, list | tuple) else scales


def valid_voxels(target: Tensor | list[Tensor], regions: bool, ignore_label: int | None) -> Tensor | None:
    """Return bool (B, 1, *patch), False where nnU-Net's target has the ignore label; None if there is no such label."""
    if ignore_label is None:
        return None
    finest = full_resolution(target)
    if regions:
        return ~finest[:, -1:].bool()  # the last region is the ignore label
    return finest != ignore_label
