"""Networks with an encoder for each modality, told what a case has (L3)."""

from torch import nn

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
