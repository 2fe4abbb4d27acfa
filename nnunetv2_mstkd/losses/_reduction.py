"""How losses check shapes, stop the teacher's gradient, and reduce voxels and samples to a scalar (L1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nnunetv2_mstkd.errors import ShapeError


def batch_mean(per_sample: Tensor, sample_weights: Tensor | None) -> Tensor:
    """Return the mean over the batch of the weighted per-sample values.

    The sum is divided by B, not by the sum of the weights: this keeps every loss linear in the weights and makes the
    mean over ranks with equal batches equal to the value of the joint batch.

    Args:
        per_sample: float (B,).
        sample_weights: (B,), or None for ones.

    Returns:
        float scalar.

    Raises:
        ShapeError: if the weights are not one per sample.
    """
    if sample_weights is None:
        return per_sample.mean()
    if sample_weights.shape != per_sample.shape:
        raise ShapeError(
            f"sample_weights has shape {tuple(sample_weights.shape)}, but the batch holds {len(per_sample)} samples: "
            f"give one weight per sample, shape ({len(per_sample)},)"
        )
    return (per_sample * sample_weights.to(per_sample)).mean()


def voxel_mean(per_voxel: Tensor, valid: Tensor | None) -> Tensor:
    """Return each sample's mean over its valid voxels, exactly 0 (with zero gradient) where it has none.

    Args:
        per_voxel: float (B, *S).
        valid: bool (B, 1, *S), or None if all voxels are valid.

    Returns:
        float (B,).
    """
    if valid is None:
        return per_voxel.flatten(1).mean(1)
    is_valid = valid.flatten(1)  # (B, V)
    total = (per_voxel.flatten(1) * is_valid).sum(1)
    return total / is_valid.sum(1).clamp_min(1)


def stop_gradient(teacher: Tensor, detach_teacher: bool) -> Tensor:
    """Return the teacher's tensor, cut from its graph if asked for."""
    return teacher.detach() if detach_teacher else teacher


def valid_voxels(valid: Tensor | None, logits: Tensor) -> Tensor | None:
    """Return `valid` as bool, having checked that it belongs to the logits.

    Raises:
        ShapeError: if its shape is not (B, 1, *S) for logits (B, C, *S).
    """
    if valid is None:
        return None
    expected = (logits.shape[0], 1, *logits.shape[2:])
    if tuple(valid.shape) != expected:
        raise ShapeError(
            f"valid has shape {tuple(valid.shape)}, but logits of shape {tuple(logits.shape)} need {expected}: "
            "batch, one channel, space"
        )
    return valid.to(torch.bool)


def check_same_shape(name: str, teacher: Tensor, student: Tensor, axes: str, min_axes: int) -> None:
    """Check one tensor of the teacher against the student's.

    Args:
        name: what they are, as in the argument names teacher_<name> and student_<name>.
        teacher: any shape.
        student: the same shape.
        axes: the layout, for the message, such as "(B, C, *S)".
        min_axes: how many axes there must be at least.

    Raises:
        ShapeError: if the shapes differ, have too few axes, or hold no element.
    """
    shapes = f"teacher_{name} has shape {tuple(teacher.shape)}, student_{name} {tuple(student.shape)}"
    if teacher.shape != student.shape:
        raise ShapeError(f"{shapes}: they must be equal")
    if teacher.ndim < min_axes or teacher.numel() == 0:
        raise ShapeError(f"{shapes}: expected {axes} with at least {min_axes} axes, none of them empty")


def check_same_shapes(
    name: str, teachers: Sequence[Tensor], students: Sequence[Tensor], axes: str, min_axes: int
) -> None:
    """Check a sequence of the teacher's tensors against the student's; they must agree one by one.

    Raises:
        ShapeError: if the lengths differ or are 0, two shapes differ, or the batch size changes along the sequence.
    """
    if len(teachers) != len(students) or not teachers:
        raise ShapeError(
            f"teacher_{name} holds {len(teachers)} tensors, student_{name} {len(students)}: "
            "give equally many, at least one"
        )
    for i, (teacher, student) in enumerate(zip(teachers, students, strict=True)):
        check_same_shape(f"{name}[{i}]", teacher, student, axes, min_axes)
    if len({len(teacher) for teacher in teachers}) > 1:
        raise ShapeError(f"{name} differ in batch size: {[tuple(teacher.shape) for teacher in teachers]}")
