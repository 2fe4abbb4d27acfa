"""Sizes of the bottleneck transformer, as data (L1)."""

from collections.abc import Callable
from dataclasses import dataclass

HEAD_WIDTH = 32  # of the `plan` preset: the widths that nnU-Net plans are multiples of it


@dataclass(frozen=True)
class TransformerSize:
    """The numbers that describe a transformer.

    Args:
        width: of a token; a multiple of `heads`.
        heads: attention heads.
        depth: blocks; a multiple of 4, since features are tapped after each quarter.
        feedforward: hidden width of a block's two-layer perceptron.

    Raises:
        ValueError: if a number is not positive, or one of the two multiples does not hold.
    """

    width: int
    heads: int
    depth: int
    feedforward: int

    def __post_init__(self) -> None:
        if min(self.width, self.heads, self.depth, self.feedforward) < 1:
            raise ValueError(f"All sizes of a transformer must be positive: {self}")
        if self.width % self.heads:
            raise ValueError(f"The width must be a multiple of the heads: {self}")
        if self.depth % 4:
            raise ValueError(f"The depth must be a multiple of 4, one tap after each quarter: {self}")


def _plan_size(features: int) -> TransformerSize:
    width = max(HEAD_WIDTH, features // HEAD_WIDTH * HEAD_WIDTH)
    return TransformerSize(width=width, heads=width // HEAD_WIDTH, depth=8, feedforward=8 * width // 3)


def _paper_size(features: int) -> TransformerSize:
    return TransformerSize(width=768, heads=12, depth=12, feedforward=2048)


# `plan` keeps the paper's ratio of feedforward to width and scales with the plan; `paper` is the released network's.
TRANSFORMER_PRESETS: dict[str, Callable[[int], TransformerSize]] = {"plan": _plan_size, "paper": _paper_size}


def transformer_size(preset: str, features: int) -> TransformerSize:
    """Return the size that a preset gives for a plan whose deepest stage has `features` channels.

    Raises:
        ValueError: if there is no such preset; the message lists them.

    Example:
        >>> transformer_size("plan", 320)
        TransformerSize(width=320, heads=10, depth=8, feedforward=853)
    """
    if preset not in TRANSFORMER_PRESETS:
        raise ValueError(f"Unknown transformer preset {preset!r}; there are {sorted(TRANSFORMER_PRESETS)}")
    return TRANSFORMER_PRESETS[preset](features)
