"""What a network returned for two batches that ran as one (L3)."""

from typing import Any

from torch import Tensor


def halves(stacked: Any) -> tuple[Any, Any]:
    """Return both halves of a batch of 2 B: of a tensor, of each in a list or tuple of them, or of None."""
    if stacked is None:
        return None, None
    if isinstance(stacked, Tensor):
        first, second = stacked.chunk(2)
        return first, second
    pairs = [halves(element) for element in stacked]
    return type(stacked)(pair[0] for pair in pairs), type(stacked)(pair[1] for pair in pairs)
