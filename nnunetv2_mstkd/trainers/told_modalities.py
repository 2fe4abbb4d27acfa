"""Networks with an encoder for each modality, in steps of nnU-Net's that know no modality mask (L3)."""

from torch import Tensor, nn


class ToldModalities(nn.Module):
    """A network and the modality mask (B, M) that it is to be called with.

    Args:
        network: takes an image and a mask; its weights are this module's.
        modality_mask: bool (B, M), on the device.
    """

    def __init__(self, network: nn.Module, modality_mask: Tensor) -> None:
        super().__init__()
        self.network = network
        self.modality_mask = modality_mask

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        """Segment an image (B, M, *patch)."""
        logits: Tensor | list[Tensor] = self.network(image, self.modality_mask)
        return logits
