"""The discriminator that tells predictions of all modalities from others by their entropy (L1; training only)."""

from torch import nn

from nnunetv2_mstkd.architectures.convolutional_discriminator import ConvolutionalDiscriminator


class EntropyDiscriminator(ConvolutionalDiscriminator):
    """Score an entropy map (B, C, *patch), at the patch's own resolution.

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        num_outputs: channels of the logits.

    Source: ACN (arXiv 2106.14591), D_en: five convolutions of stride 2, 64 to 512 channels, 1 at last. Differs in:
    kernels of 3 (released: 4), which any patch is large enough for.
    """

    def __init__(self, conv_op: type[nn.Module], num_outputs: int) -> None:
        super().__init__(conv_op, (num_outputs, 64, 128, 256, 512, 1), (2,) * 5)
