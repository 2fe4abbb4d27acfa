"""The discriminator that tells features of all modalities from others (L1; training only)."""

from torch import nn

from nnunetv2_mstkd.architectures.convolutional_discriminator import ConvolutionalDiscriminator

_MAX_WIDTHS = 256, 512  # the released ones, twice and four times the released bottleneck's


class KnowledgeDiscriminator(ConvolutionalDiscriminator):
    """Score the deepest feature (B, C, *grid).

    Args:
        conv_op: nn.Conv2d or nn.Conv3d.
        features: channels of the feature.

    Source: ACN (arXiv 2106.14591), D_kn: convolutions to 256, 512 and, with stride 2, 1 channel, of a feature of 128.
    Differs in: two and four times the plan's width, at most as wide as released.
    """

    def __init__(self, conv_op: type[nn.Module], features: int) -> None:
        first, second = min(2 * features, _MAX_WIDTHS[0]), min(4 * features, _MAX_WIDTHS[1])
        super().__init__(conv_op, (features, first, second, 1), (1, 1, 2))
