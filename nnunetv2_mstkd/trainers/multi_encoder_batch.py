"""What a training step of a network with an encoder for each modality works on (L3)."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class MultiEncoderBatch:
    """What a training step works on, all of it on the device.

    Args:
        image: (B, M, *patch), zero where a case lacks a modality.
        available: bool (B, M), what the cases have.
        modality_mask: bool (B, M), the part of it that was drawn for this step.
        target: as nnU-Net's loss takes it: one tensor, or with deep supervision a list of them.
    """

    image: Tensor
    available: Tensor
    modality_mask: Tensor
    target: Tensor | list[Tensor]
