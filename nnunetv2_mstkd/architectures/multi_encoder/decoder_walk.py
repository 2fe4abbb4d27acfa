"""A plan's decoder that meets its skips in a way of a method's own (L1)."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

# (step, upsampled feature, skip), each (B, C, *grid) -> what the decoder's stage takes, (B, 2 C, *grid)
Join = Callable[[int, Tensor, Tensor], Tensor]


def walk_decoder(decoder: Any, skips: Sequence[Tensor], join: Join) -> Tensor | list[Tensor]:
    """Return the logits that a decoder makes of skips, as its own forward pass does but for the join.

    Args:
        decoder: of the plan; UNetDecoder itself concatenates feature and skip.
        skips: finest first; the last one is the bottleneck.
        join: feature and skip of a step, counted from 0 at the coarsest.

    Returns:
        (B, C, *patch), or with deep supervision a list of such, full resolution first.
    """
    *skips, feature = skips
    logits = []  # coarsest first
    for step, skip in enumerate(reversed(skips)):
        feature = decoder.stages[step](join(step, decoder.transpconvs[step](feature), skip))
        if decoder.deep_supervision or step == len(skips) - 1:
            logits.append(decoder.seg_layers[step](feature))
    return logits[::-1] if decoder.deep_supervision else logits[0]
