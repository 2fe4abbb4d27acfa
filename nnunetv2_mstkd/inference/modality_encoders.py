"""Networks with an encoder for each modality, told what a case has (L3)."""

from torch import nn

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderNetwork
from nnunetv2_mstkd.modalities import ModalitySubset
from nnunetv2_mstkd.unwrap import unwrap


def has_modality_encoders(network: nn.Module) -> bool:
    """Return whether a network has to be told which modalities a case has: zeros do not tell it."""
    return isinstance(unwrap(network), MultiEncoderNetwork)


def see_only(network: nn.Module, subset: ModalitySubset) -> None:
    """Let no other encoders run from now on than those of the subset; nothing is done to networks with one encoder."""
    bare = unwrap(network)
    if isinstance(bare, MultiEncoderNetwork):
        bare.present = subset.channels
