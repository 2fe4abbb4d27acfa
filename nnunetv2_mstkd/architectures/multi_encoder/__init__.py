"""Networks with an encoder for each modality: what they share, their fusion operators, and one file for each (L1)."""

from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import (
    BuildPlanNetwork,
    MultiEncoderFeatures,
    MultiEncoderNetwork,
)

__all__ = ["BuildPlanNetwork", "MultiEncoderFeatures", "MultiEncoderNetwork"]
