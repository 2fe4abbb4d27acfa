"""The engines that are torch's (L3)."""

import copy

import torch
from torch import Tensor, nn

from nnunetv2_mstkd.inference.engines.names import TORCH_BFLOAT16, TORCH_FLOAT32
from nnunetv2_mstkd.inference.modality_encoders import see_only
from nnunetv2_mstkd.modalities import ModalitySubset

_INSTANCE_NORMS = (nn.InstanceNorm2d, nn.InstanceNorm3d)
_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the number of dimensions


class TorchFloat32:
    """The network as nnU-Net runs it.

    Args:
        network: that takes (N, C, *patch); it is not copied.
    """

    name = TORCH_FLOAT32

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def see(self, subset: ModalitySubset) -> bool:
        """Tell a network with an encoder for each modality what the next tiles have."""
        see_only(self._network, subset)
        return True

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the logits."""
        return self._network(tiles)


class TorchBFloat16:
    """The network under autocast, channels last; float32 where autocast keeps it.

    Args:
        network: that takes (N, C, *patch); it is copied.
    """

    name = TORCH_BFLOAT16

    def __init__(self, network: nn.Module) -> None:
        self._network = channels_last(with_group_norm(copy.deepcopy(network)))

    def see(self, subset: ModalitySubset) -> bool:
        """Tell the copy what the next tiles have; no other one is made."""
        see_only(self._network, subset)
        return True

    def __call__(self, tiles: Tensor) -> Tensor:
        """Return the logits."""
        with torch.autocast("cpu", torch.bfloat16):
            logits = self._network(tiles.contiguous(memory_format=_CHANNELS_LAST[tiles.ndim]))
        return logits.to(torch.float32, memory_format=torch.contiguous_format, copy=True)


def with_group_norm(network: nn.Module) -> nn.Module:
    """Let group norm with one channel a group take the place of instance norm, and return the same network.

    The two are the same function. Instance norm alone copies each tensor to channels first and back.
    """
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _INSTANCE_NORMS) and not child.track_running_stats:
                setattr(parent, name, _group_norm(child))
    return network


def _group_norm(norm: "nn.InstanceNorm2d | nn.InstanceNorm3d") -> nn.GroupNorm:
    same = nn.GroupNorm(norm.num_features, norm.num_features, norm.eps, norm.affine)
    if norm.affine:
        same.weight, same.bias = norm.weight, norm.bias
    return same.train(norm.training)


def channels_last(network: nn.Module) -> nn.Module:
    """Store the kernels of convolutions channels last, and return the same network."""
    for parameter in network.parameters():
        if parameter.ndim in _CHANNELS_LAST:
            parameter.data = parameter.data.contiguous(memory_format=_CHANNELS_LAST[parameter.ndim])
    return network
