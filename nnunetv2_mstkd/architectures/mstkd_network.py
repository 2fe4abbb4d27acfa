"""The network of teacher and student: the plan's U-Net with a transformer and a style fusion at its bottleneck (L1)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from nnunetv2_mstkd.architectures.multiscale_transformer import MultiScaleTransformer
from nnunetv2_mstkd.architectures.plan_parts import stage_grids, take_encoder_and_decoder
from nnunetv2_mstkd.architectures.style_fusion import MST_KD_STAGES, StyleContentFusion
from nnunetv2_mstkd.architectures.transformer_size import transformer_size


class NetworkFeatures(NamedTuple):
    """What the distillation losses compare; what an ablation lacks is empty or None.

    Attributes:
        logits: (B, C, *patch), or with deep supervision a list of such, full resolution first.
        encoded: f_D (B, C_D, *grid), the encoder's deepest feature.
        multiscale: the transformer's features, deepest stage first, each shaped as its stage's feature.
        attention: maps (B, heads, N, N) of the tapped blocks, shallow first; empty unless asked for.
        style: (B, C_D, *grid); None without style fusion.
        content: (B, C_D, *grid); likewise.
    """

    logits: Tensor | list[Tensor]
    encoded: Tensor
    multiscale: tuple[Tensor, ...]
    attention: tuple[Tensor, ...]
    style: Any  # Tensor, or None: who reads it knows from the settings which
    content: Any


class MSTKDNetwork(nn.Module):
    """The plan's encoder and decoder with MST-KD's bottleneck between them.

    Called with an image alone it returns what the plan's own network returns: logits, or with
    `decoder.deep_supervision` a list of them, finest first. The state dict does not depend on deep supervision.

    Args:
        plan_network: a U-Net of dynamic-network-architectures with the attributes `encoder` (returning all skips) and
            `decoder` (PlainConvUNet, ResidualEncoderUNet and their like). Its two parts become this network's.
        patch_size: voxels, in the network's axis order, as planned: sets the grid of the learned positions. Other
            sizes work.
        preset: name of the transformer's size, "plan" or "paper".
        use_transformer: False leaves out transformer and taps (the ablation noMSTKD).
        use_style_fusion: False leaves out style, content and fusion (noGSME): the bottleneck is the plan's own.
        style_stages: of the fusion, MST_KD_STAGES or SMU_NET_STAGES.

    Raises:
        UnsupportedNetworkError: if the plan's network has no such encoder and decoder, or fewer than two stages.

    Source: MST-KDNet, Figure 1. Differs in: built on nnU-Net's plan; docs/explanation/method.md maps each part.
    """

    def __init__(
        self,
        plan_network: nn.Module,
        patch_size: Sequence[int],
        *,
        preset: str = "plan",
        use_transformer: bool = True,
        use_style_fusion: bool = True,
        style_stages: tuple[int, ...] = MST_KD_STAGES,
    ) -> None:
        super().__init__()
        self.encoder: Any
        self.decoder: Any
        self.encoder, self.decoder = take_encoder_and_decoder(plan_network)
        encoder = self.encoder
        self.transformer: MultiScaleTransformer | None = None
        self.fusion: StyleContentFusion | None = None
        if use_transformer:
            features = encoder.output_channels
            size = transformer_size(preset, features[-1])
            grid = stage_grids(encoder, patch_size)[-1]
            self.transformer = MultiScaleTransformer(encoder.conv_op, features, grid, size)
        if use_style_fusion:
            self.fusion = StyleContentFusion(encoder, style_stages)

    def forward(
        self, image: Tensor, return_features: bool = False, return_attention: bool = False
    ) -> Tensor | list[Tensor] | NetworkFeatures:
        """Segment.

        Args:
            image: (B, M, *patch); absent modalities are zero.
            return_features: return NetworkFeatures rather than the logits alone.
            return_attention: with `return_features`, also compute the attention maps; otherwise attention is fused.
        """
        encoded = list(self.encoder(image))
        skips = list(encoded)
        multiscale: tuple[Tensor, ...] = ()
        attention: tuple[Tensor, ...] = ()
        style: Tensor | None = None
        content: Tensor | None = None
        if self.transformer is not None:
            multiscale, attention = self.transformer(encoded, return_features and return_attention)
            for tap, stage in enumerate(self.transformer.stages):
                skips[stage] = encoded[stage] + multiscale[tap]
        if self.fusion is not None:
            skips[-1], style, content = self.fusion(encoded, skips[-1])
        if not return_features:
            # the decoder needs the skips alone; what distillation would compare must not outlive this point
            del encoded, multiscale, style, content
            return self.decoder(skips)
        return NetworkFeatures(self.decoder(skips), encoded[-1], multiscale, attention, style, content)

    def compute_conv_feature_map_size(self, input_size: Sequence[int]) -> int:
        """Return nnU-Net's measure of activation memory: how many numbers the layers put out for one such image."""
        total = int(self.encoder.compute_conv_feature_map_size(input_size))
        total += int(self.decoder.compute_conv_feature_map_size(input_size))
        grids = stage_grids(self.encoder, input_size)
        if self.transformer is not None:
            total += self.transformer.num_activations(grids)
        if self.fusion is not None:
            total += self.fusion.num_activations(grids[-1])
        return total
