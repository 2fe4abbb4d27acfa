"""How wide the encoder of one modality is (L1)."""

import math


def narrow_width(features: int, num_modalities: int) -> int:
    """Return the channels of a stage in each of M encoders, of which the plan's one encoder has `features`.

    A convolution costs the product of its two widths: M encoders of the plan's width divided by the square root of M
    have the floating-point operations and the weights of the plan's one encoder.

    Example:
        >>> [narrow_width(features, 4) for features in (32, 64, 320)], narrow_width(32, 2)
        ([16, 32, 160], 22)
    """
    return max(2, 2 * round(features / math.sqrt(num_modalities) / 2))
