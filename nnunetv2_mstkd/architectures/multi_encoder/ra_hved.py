"""RA-HVED: a latent distribution of each stage, fused as a product of experts (L1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from dynamic_network_architectures.initialization.weight_init import InitWeights_He
from torch import Tensor, nn

from nnunetv2_mstkd.architectures.grid_resize import resize
from nnunetv2_mstkd.architectures.multi_encoder.decoder_walk import walk_decoder
from nnunetv2_mstkd.architectures.multi_encoder.multi_encoder_network import BuildPlanNetwork, MultiEncoderNetwork
from nnunetv2_mstkd.architectures.multi_encoder.product_of_experts import product_of_experts
from nnunetv2_mstkd.architectures.multi_encoder.roi_attention import RegionAttentiveSkip
from nnunetv2_mstkd.architectures.plan_blocks import in_plan_style, kernel_and_padding
from nnunetv2_mstkd.architectures.plan_parts import stage_grids

_LOG_VARIANCE_LIMIT = 50.0


class RAHVEDLatents(NamedTuple):
    """What RA-HVED fused, of each stage, finest first.

    Attributes:
        means: of the product of experts, (B, L_s, *latent grid) each, float32.
        log_variances: likewise.
        skips: the decoder's, (B, stage_features[s], *grid_s) each.
    """

    means: list[Tensor]
    log_variances: list[Tensor]
    skips: list[Tensor]


class RAHVEDNetwork(MultiEncoderNetwork):
    """Encoders to latent normal distributions, their product, and a decoder with region-of-interest attention.

    Each stage of each encoder is reduced to mean and log variance of L_s = (its channels) / 4 latents. Those of the
    modalities that are there are multiplied with a standard normal prior. In training the latents are drawn from the
    product, in evaluation they are its mean.

    Args:
        build: makes the plan's U-Nets.
        num_modalities: M.
        num_outputs: channels of the logits.
        patch_size: voxels, as planned; the attention's kernels are no longer than a stage's grid.

    Raises:
        UnsupportedNetworkError: if the plan's network is no U-Net, or has fewer than two stages.

    Source: RA-HVED (ACCV 2022, LNCS 13846) and its released code. Differs in: stages, widths, kernels, blocks and
    upsampling are the plan's; the latents lie on the grid of the next stage (those of the deepest on its own), where
    the original halves the grid; no dropout of the input.
    """

    def __init__(
        self, build: BuildPlanNetwork, num_modalities: int, num_outputs: int, patch_size: Sequence[int]
    ) -> None:
        super().__init__(build, num_modalities, num_outputs)
        encoder: Any = self.encoders[0]
        steps = [*(tuple(stride) for stride in encoder.strides[1:]), (1,) * len(patch_size)]  # to the latents' grid
        latents = [max(1, features // 4) for features in self.encoder_features]
        self.reductions = nn.ModuleList(_reductions(encoder, latents, steps) for _ in self.encoders)
        expansions = zip(latents, self.stage_features, steps, encoder.kernel_sizes, strict=True)
        self.expansions = nn.ModuleList(LatentExpansion(encoder, *stage) for stage in expansions)
        grids = stage_grids(encoder, patch_size)[:-1]
        self.attentive_skips = nn.ModuleList(RegionAttentiveSkip(encoder.conv_op, grid) for grid in reversed(grids))

    def encode(self, channel: int, image: Tensor) -> Sequence[Tensor]:
        """Return mean and log variance of each stage's latents, side by side: (B, 2 L_s, *latent grid)."""
        reductions: Any = self.reductions[channel]
        return [reduce(stage) for reduce, stage in zip(reductions, self.encoders[channel](image), strict=True)]

    def fuse(self, encoded: list[Tensor], modality_mask: Tensor) -> tuple[list[Tensor], RAHVEDLatents]:
        """Fuse the modalities that are there; with the skips come the distributions that they were drawn from."""
        means, log_variances, skips = [], [], []
        for stage, expand in zip(encoded, self.expansions, strict=True):
            each_mean, each_log_variance = stage.chunk(2, dim=2)
            limited = each_log_variance.clamp(-_LOG_VARIANCE_LIMIT, _LOG_VARIANCE_LIMIT)
            mean, log_variance = product_of_experts(each_mean, limited, modality_mask)
            means.append(mean)
            log_variances.append(log_variance)
            skips.append(expand(self._latents(mean, log_variance).to(stage.dtype)))
        return skips, RAHVEDLatents(means, log_variances, skips)

    def _latents(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        if not self.training:
            return mean
        return mean + (log_variance / 2).exp() * torch.randn_like(mean)

    def decode(self, skips: list[Tensor], encoded: list[Tensor], modality_mask: Tensor) -> Tensor | list[Tensor]:
        """Return the logits: the plan's decoder, its skips weighted by attention."""
        attend = self.attentive_skips
        return walk_decoder(self.decoder, skips, lambda step, feature, skip: attend[step](feature, skip))


class LatentExpansion(nn.Module):
    """From the latents of a stage back to its channels and its grid.

    Args:
        encoder: of the plan; gives the blocks' style.
        latents: input channels.
        features: output channels.
        step: how many voxels of the stage's grid a latent voxel has along each axis.
        kernel_size: of the stage.
    """

    def __init__(self, encoder: Any, latents: int, features: int, step: tuple[int, ...], kernel_size: Any) -> None:
        super().__init__()
        conv_op = encoder.conv_op
        kernel, padding = kernel_and_padding(encoder, kernel_size)
        self.step = step
        self.widen = in_plan_style(encoder, conv_op(latents, features, 1))
        self.smooth = in_plan_style(encoder, conv_op(features, features, kernel, padding=padding, groups=features))
        self.apply(InitWeights_He(1e-2))

    def forward(self, latents: Tensor) -> Tensor:
        """Return the skip (B, features, *grid) from latents (B, latents, *latent grid)."""
        wide = self.widen(latents)
        if any(n > 1 for n in self.step):
            grid = [n * step for n, step in zip(wide.shape[2:], self.step, strict=True)]
            wide = resize(wide, grid)
        smooth: Tensor = self.smooth(wide)
        return smooth


def _reductions(encoder: Any, latents: list[int], steps: list[tuple[int, ...]]) -> nn.ModuleList:
    """Return the convolutions to 2 L_s channels; with torch's own initial weights, so that variances start near 1."""
    reductions = []
    for features, count, step, size in zip(encoder.output_channels, latents, steps, encoder.kernel_sizes, strict=True):
        kernel, padding = kernel_and_padding(encoder, size)
        reductions.append(encoder.conv_op(features, 2 * count, kernel, step, padding))
    return nn.ModuleList(reductions)
