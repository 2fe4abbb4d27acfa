"""The discriminator of segmentations with the images rebuilt beside them (L1; training only)."""

from collections.abc import Sequence
from typing import Any

import torch
from dynamic_network_architectures.building_blocks.helper import maybe_convert_scalar_to_list
from torch import Tensor, nn
from torch.nn import functional

_LEAK = 0.2
_MAX_LAYERS = 4


class ImageDiscriminator(nn.Module):
    """Score places of an image: near 1 for "made from all modalities", near 0 for "from some of them".

    Args:
        encoder: gives strides, operations and normalisation of the plan's first four stages, whatever its own widths.
        widths: of the plan's stages.
        channels: of the input.

    Source: RA-HVED's released code: four strided convolutions with leaky rectifiers of slope 0.2, normalised after the
    first, and one to a single channel. Differs in: widths, strides and normalisation of the plan; kernels of 3 (there
    4), which keep the plan's grids whatever the strides.
    """

    def __init__(self, encoder: Any, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        conv_op, layers = encoder.conv_op, []
        stages = list(zip(widths, encoder.strides, strict=True))[:_MAX_LAYERS]
        for index, (width, stride) in enumerate(stages):
            layers.append(conv_op(channels, width, 3, maybe_convert_scalar_to_list(conv_op, stride), 1))
            if index > 0 and encoder.norm_op is not None:
                layers.append(encoder.norm_op(width, **(encoder.norm_op_kwargs or {})))
            layers.append(nn.LeakyReLU(_LEAK, inplace=True))
            channels = width
        self.layers = nn.Sequential(*layers, conv_op(channels, 1, 3, padding=1))
        convolutions: list[Any] = [layer for layer in self.layers if isinstance(layer, conv_op)]
        for layer in convolutions:
            nn.init.kaiming_normal_(layer.weight, a=_LEAK)
            nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Return the scores (B, 1, *grid) of (B, channels, *patch)."""
        scores: Tensor = self.layers(image)
        return scores


def judged_image(logits: Tensor, reconstruction: Tensor, regions: bool, *, valid: Tensor | None = None) -> Tensor:
    """Return what the discriminator sees: the probabilities, and the rebuilt images weighted towards the foreground.

    Args:
        logits: (B, C, *patch), full resolution.
        reconstruction: (B, M, *patch).
        regions: True: channels are regions that may overlap (sigmoid). False: exclusive classes (softmax).
        valid: bool (B, 1, *patch), False where the label is to be ignored: probabilities and w are 0 there; None if
            all voxels count.

    Returns:
        (B, C + M, *patch). The weights 1 + w have no gradient.
    """
    probs = torch.sigmoid(logits) if regions else functional.softmax(logits, dim=1)
    if valid is not None:
        probs = probs.masked_fill(~valid, 0)
    weights = 1 + foreground_confidence(probs.detach(), regions)
    return torch.cat((probs, reconstruction * weights), dim=1)


def foreground_confidence(probs: Tensor, regions: bool) -> Tensor:
    """Return how sure the decision for foreground is, 0 where it is for background.

    Args:
        probs: (B, C, *patch).
        regions: True: of the last region that is above one half (nested regions are painted in that order). False: of
            the likeliest class, where that is not class 0.

    Returns:
        (B, 1, *patch).
    """
    if not regions:
        likeliest, decision = probs.max(dim=1, keepdim=True)
        return likeliest.masked_fill(decision == 0, 0)
    confidence = torch.zeros_like(probs[:, :1])
    for region in probs.chunk(probs.shape[1], dim=1):
        confidence = torch.where(region > 0.5, region, confidence)
    return confidence
