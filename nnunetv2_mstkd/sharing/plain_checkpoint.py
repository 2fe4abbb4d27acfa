"""A checkpoint for others: what prediction needs, in types that every loader knows (L3)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from nnunetv2_mstkd.inference.safe_checkpoint import CONFIGURATION, INIT_ARGS, MIRRORING_AXES, TRAINER_NAME, WEIGHTS


def plain_checkpoint(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint that nnU-Net predicts from, and that loads with `weights_only` and nothing allowed.

    Args:
        checkpoint: as load_checkpoint returns it.
    """
    axes = checkpoint.get(MIRRORING_AXES)
    return {
        WEIGHTS: _plain_tensors(checkpoint[WEIGHTS]),
        TRAINER_NAME: checkpoint[TRAINER_NAME],
        INIT_ARGS: {CONFIGURATION: checkpoint[INIT_ARGS][CONFIGURATION]},
        MIRRORING_AXES: None if axes is None else tuple(int(axis) for axis in axes),
    }


def _plain_tensors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors that own their memory, where two names of one tensor stay one tensor.

    nnU-Net's decoder holds the encoder under second names: as copies these would count twice in the file. And a tensor
    that is a view would bring with it all of what it views.
    """
    plain: dict[tuple, Tensor] = {}
    return {name: plain.setdefault(_identity(tensor), _owned(tensor)) for name, tensor in weights.items()}


def _identity(tensor: Tensor) -> tuple:
    return tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()


def _owned(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().contiguous()
    is_view = tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size()
    return tensor.clone() if is_view else tensor
