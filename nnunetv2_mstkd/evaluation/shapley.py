"""How much each modality contributes: its exact Shapley value over all subsets (L1')."""

from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray


def shapley_values(worth: ArrayLike) -> NDArray[np.float64]:
    """Return each modality's mean contribution over all orders in which the modalities may be added.

    What they add up to is exactly the worth of all modalities less the worth of none.

    Args:
        worth: float (..., 2^M). Of every subset by its code: bit c of the index is set where modality c is present;
            index 0 is the empty subset.

    Returns:
        float (..., M); NaN where the worth of any subset is.

    Raises:
        ValueError: if the last axis is no power of two.

    Source: Shapley 1953. Differs in: nothing; all subsets are known, so nothing is sampled.

    Example:
        >>> shapley_values([0.0, 1.0, 3.0, 6.0]).tolist()  # the two share what they gain together
        [2.0, 4.0]
    """
    values = np.asarray(worth, dtype=float)
    count = values.shape[-1].bit_length() - 1
    if values.shape[-1] != 2**count or count == 0:
        raise ValueError(f"A worth for each of the 2^M subsets is needed, but there are {values.shape[-1]}")
    codes = np.arange(2**count)
    sizes = np.array([int(code).bit_count() for code in codes])
    weights = np.array([factorial(size) * factorial(count - size - 1) for size in range(count)]) / factorial(count)
    gains = []
    for modality in range(count):
        without = codes[codes >> modality & 1 == 0]
        gain = values[..., without | 1 << modality] - values[..., without]
        gains.append((gain * weights[sizes[without]]).sum(axis=-1))
    return np.stack(gains, axis=-1)
