"""Networks (L1: torch and dynamic-network-architectures only)."""

from nnunetv2_mstkd.architectures.entropy_discriminator import EntropyDiscriminator
from nnunetv2_mstkd.architectures.information_regressor import InformationRegressor
from nnunetv2_mstkd.architectures.knowledge_discriminator import KnowledgeDiscriminator
from nnunetv2_mstkd.architectures.mstkd_network import MSTKDNetwork, NetworkFeatures
from nnunetv2_mstkd.architectures.multiscale_transformer import MultiScaleTransformer
from nnunetv2_mstkd.architectures.style_discriminator import StyleDiscriminator
from nnunetv2_mstkd.architectures.style_fusion import StyleContentFusion
from nnunetv2_mstkd.architectures.transformer_size import TRANSFORMER_PRESETS, TransformerSize, transformer_size

__all__ = [
    "TRANSFORMER_PRESETS",
    "EntropyDiscriminator",
    "InformationRegressor",
    "KnowledgeDiscriminator",
    "MSTKDNetwork",
    "MultiScaleTransformer",
    "NetworkFeatures",
    "StyleContentFusion",
    "StyleDiscriminator",
    "TransformerSize",
    "transformer_size",
]
