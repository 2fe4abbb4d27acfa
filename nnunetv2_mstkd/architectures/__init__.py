"""Networks (L1: torch and dynamic-network-architectures only)."""

from nnunetv2_mstkd.architectures.mstkd_network import MSTKDNetwork, NetworkFeatures
from nnunetv2_mstkd.architectures.multiscale_transformer import MultiScaleTransformer
from nnunetv2_mstkd.architectures.style_discriminator import StyleDiscriminator
from nnunetv2_mstkd.architectures.style_fusion import StyleContentFusion
from nnunetv2_mstkd.architectures.transformer_size import TRANSFORMER_PRESETS, TransformerSize, transformer_size

__all__ = [
    "TRANSFORMER_PRESETS",
    "MSTKDNetwork",
    "MultiScaleTransformer",
    "NetworkFeatures",
    "StyleContentFusion",
    "StyleDiscriminator",
    "TransformerSize",
    "transformer_size",
]
