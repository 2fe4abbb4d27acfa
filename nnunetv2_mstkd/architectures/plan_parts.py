"""Encoder and decoder out of a plan's network (L1)."""

from typing import Any

from torch import nn

from nnunetv2_mstkd.errors import UnsupportedNetworkError


def take_encoder_and_decoder(plan_network: nn.Module) -> tuple[Any, Any]:
    """Return the two parts of a U-Net, the decoder without the encoder as its child.

    UNetDecoder registers the encoder, so that every encoder weight would be twice in a state dict. Its own methods
    still read `self.encoder`, which becomes a plain attribute.

    Raises:
        UnsupportedNetworkError: if it is no U-Net of dynamic-network-architectures, or has fewer than two stages.
    """
    encoder: Any
    decoder: Any
    encoder, decoder = getattr(plan_network, "encoder", None), getattr(plan_network, "decoder", None)
    is_u_net = all(hasattr(encoder, name) for name in ("output_channels", "strides", "conv_op"))
    if not (is_u_net and hasattr(decoder, "deep_supervision")):
        raise UnsupportedNetworkError(
            f"The trainers of nnunetv2_mstkd are built on a U-Net with `encoder` and `decoder`, such as PlainConvUNet "
            f"or ResidualEncoderUNet; the plans ask for {type(plan_network).__name__}. Use plans of another network "
            f"architecture."
        )
    if len(encoder.output_channels) < 2:
        raise UnsupportedNetworkError(f"Two stages or more are needed; the plans have {len(encoder.output_channels)}")
    if "encoder" in decoder._modules:
        del decoder._modules["encoder"]
        decoder.__dict__["encoder"] = encoder
    return encoder, decoder


def take_decoder(plan_network: nn.Module) -> Any:
    """Return the decoder alone, to be used with other encoders: the plan network's own is let go.

    Raises:
        UnsupportedNetworkError: as `take_encoder_and_decoder`.
    """
    _, decoder = take_encoder_and_decoder(plan_network)
    decoder.__dict__.pop("encoder", None)
    return decoder


def stage_grids(encoder: Any, input_size: Any) -> list[list[int]]:
    """Return the spatial size of each stage's feature, finest first, for an image of `input_size` voxels."""
    grids, grid = [], list(input_size)
    for stride in encoder.strides:
        grid = [-(-n // s) for n, s in zip(grid, stride, strict=True)]  # a strided convolution rounds up
        grids.append(grid)
    return grids
