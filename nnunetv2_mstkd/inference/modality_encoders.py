"""Networks with an encoder for each modality, told what a case has (L3)."""

from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderNetwork
from nnunetv2_mstkd.modalities import ModalitySubset
from nnunetv2_mstkd.unwrap import unwrap


def has_modality_encoders(network: nn.Module) -> bool:
    """Return whether a network has to be told which modalities a case has: zeros do not tell it."""
    return isinstance(unwrap(network), MultiEncoderNetwork)


def seen_channels(network: nn.Module) -> tuple[int, ...] | None:
    """Return the channels whose encoders run; None of a network with one encoder."""
    bare = unwrap(network)
    return bare.present if isinstance(bare, MultiEncoderNetwork) else None


def see_only(network: nn.Module, subset: ModalitySubset) -> bool:
    """Let no other encoders run from now on than those of the subset; nothing is done to networks with one encoder.

    Returns:
        Whether the network is another function than before.
    """
    bare = unwrap(network)
    if not isinstance(bare, MultiEncoderNetwork) or bare.present == subset.channels:
        return False
    bare.present = subset.channels
    return True


def uncompiled(network: Any) -> Any:
    """Return a network that is told what each case has so that nothing compiles it: it would be anew for each subset.

    To nnU-Net it is a compiled one, which its predictor leaves alone. Networks with one encoder are as they were; so
    are those under DDP, whose wrapper nnU-Net asks for.
    """
    if isinstance(network, DistributedDataParallel) or not has_modality_encoders(network):
        return network
    return torch.compiler.disable(unwrap(network))  # type: ignore[no-untyped-call]  # torch has not typed it
