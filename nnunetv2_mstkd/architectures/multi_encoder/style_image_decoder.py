"""Images rebuilt from fused content and each modality's own style (L1; training only)."""

from typing import Any, NamedTuple

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn
from torch.nn import functional

from nnunetv2_mstkd.architectures.plan_blocks import kernel_and_padding, nonlinearity

STYLE_CODE = 8  # numbers of a style, as released
ADAPTIVE_BLOCKS = 4
# Each of 2 * ADAPTIVE_BLOCKS normalisations shifts by the standard deviation, and convolutions sum what is shifted over
# hundreds of inputs: exp(5) = 148 leaves them room in float16, exp(10) = 22026 none.
_LOG_VARIANCE_LIMIT = 10.0


class RebuiltImages(NamedTuple):
    """What StyleReconstruction returns.

    Attributes:
        images: (B, M, *patch).
        means: (B, M, C), of the style parameters; these scale the normalised features.
        log_variances: (B, M, C); the standard deviations shift them.
    """

    images: Tensor
    means: Tensor
    log_variances: Tensor


class StyleReconstruction(nn.Module):
    """An encoder of style and a decoder of the image for each modality.

    Args:
        encoder: of one modality; gives stages, widths, kernels and block style.
        num_modalities: M.
        content_features: channels of the content.

    Source: RMBTS (MICCAI 2019, arXiv 2002.09708) and its released code. Differs in: stages, widths, kernels and
    non-linearities are the plan's; a 1x1 convolution brings the content to the width of the decoder; instance and
    group norm of one group, any batch; the log variance is what is predicted, where the released code predicts the
    standard deviation, without a sign or a bound, and takes its logarithm.
    """

    def __init__(self, encoder: Any, num_modalities: int, content_features: int) -> None:
        super().__init__()
        self.style_encoders = nn.ModuleList(StyleEncoder(encoder) for _ in range(num_modalities))
        self.decoders = nn.ModuleList(StyleImageDecoder(encoder, content_features) for _ in range(num_modalities))

    def forward(self, image: Tensor, content: Tensor) -> RebuiltImages:
        """Rebuild the images.

        Args:
            image: (B, M, *patch), from which the styles are taken.
            content: (B, content_features, *deepest grid), of the modalities that are seen.
        """
        styles = [encode(image[:, [channel]]) for channel, encode in enumerate(self.style_encoders)]
        rebuilt = [decode(content, style) for decode, style in zip(self.decoders, styles, strict=True)]
        images, means, log_variances = zip(*rebuilt, strict=True)
        return RebuiltImages(torch.cat(images, dim=1), torch.stack(means, dim=1), torch.stack(log_variances, dim=1))


class StyleEncoder(nn.Module):
    """Reduce the image of one modality (B, 1, *patch) to its style (B, STYLE_CODE).

    One convolution for each stage of the plan, without normalisation, which would erase what makes a style.

    Args:
        encoder: as for StyleReconstruction.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for features, size, stride in zip(encoder.output_channels, encoder.kernel_sizes, encoder.strides, strict=True):
            kernel, padding = kernel_and_padding(encoder, size)
            layers += [encoder.conv_op(inputs, features, kernel, tuple(stride), padding), nonlinearity(encoder)]
            inputs = features
        self.convolutions = nn.Sequential(*layers)
        self.code = nn.Linear(inputs, STYLE_CODE)
        self.apply(InitWeights_He(1e-2))

    def forward(self, image: Tensor) -> Tensor:
        """Return the style (B, STYLE_CODE)."""
        code: Tensor = self.code(self.convolutions(image).flatten(2).mean(2))
        return code


class StyleImageDecoder(nn.Module):
    """Rebuild the image of one modality from the content, in a style.

    Args:
        encoder: as for StyleReconstruction.
        content_features: channels of the content.
    """

    def __init__(self, encoder: Any, content_features: int) -> None:
        super().__init__()
        *coarser, width = encoder.output_channels
        self.mlp = nn.Sequential(
            nn.Linear(STYLE_CODE, width), nonlinearity(encoder),
            nn.Linear(width, width), nonlinearity(encoder),
            nn.Linear(width, 2 * width),
        )  # fmt: skip
        self.narrow = encoder.conv_op(content_features, width, 1)
        self.blocks = nn.ModuleList(AdaptiveBlock(encoder, width) for _ in range(ADAPTIVE_BLOCKS))
        layers: list[nn.Module] = []
        for stage in reversed(range(len(coarser))):
            kernel, padding = kernel_and_padding(encoder, encoder.kernel_sizes[stage])
            layers += [
                nn.Upsample(scale_factor=tuple(float(n) for n in encoder.strides[stage + 1])),
                encoder.conv_op(width, coarser[stage], kernel, padding=padding),
                nn.GroupNorm(1, coarser[stage]),
                nonlinearity(encoder),
            ]
            width = coarser[stage]
        kernel, padding = kernel_and_padding(encoder, encoder.kernel_sizes[0])
        self.upward = nn.Sequential(*layers, encoder.conv_op(width, 1, kernel, padding=padding))
        self.apply(InitWeights_He(1e-2))

    def forward(self, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the image (B, 1, *patch), and mean and log variance (B, width) of the style parameters."""
        mean, log_variance = self.mlp(style).chunk(2, dim=1)
        log_variance = log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT)
        feature = self.narrow(content)
        for block in self.blocks:
            feature = block(feature, mean, (log_variance / 2).exp())
        return self.upward(feature), mean, log_variance


class AdaptiveBlock(nn.Module):
    """Two convolutions, each followed by adaptive instance normalisation, beside the identity.

    Args:
        encoder: as for StyleReconstruction.
        width: channels.
    """

    def __init__(self, encoder: Any, width: int) -> None:
        super().__init__()
        kernel, padding = kernel_and_padding(encoder, encoder.kernel_sizes[-1])
        # a bias would be taken away by the normalisation
        self.first = encoder.conv_op(width, width, kernel, padding=padding, bias=False)
        self.second = encoder.conv_op(width, width, kernel, padding=padding, bias=False)
        self.nonlin = nonlinearity(encoder)

    def forward(self, feature: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return the feature (B, width, *grid) in a style of scale and shift (B, width)."""
        hidden = self.nonlin(adapt_instances(self.first(feature), scale, shift))
        return feature + adapt_instances(self.second(hidden), scale, shift)


def adapt_instances(feature: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the feature (B, C, *grid) with standard deviation |scale| and mean `shift`, (B, C), of each channel."""
    scale, shift = (value.reshape(*value.shape, *(1,) * (feature.ndim - 2)) for value in (scale, shift))
    return functional.instance_norm(feature) * scale + shift
