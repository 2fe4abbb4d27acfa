"""The ramp of the distillation terms' weights (L1)."""

import math


def sigmoid_ramp_up(fraction: float) -> float:
    """Return how far a term is ramped up, exp(-5 (1 - fraction)^2).

    An untrained teacher teaches nothing, so the weight of what it teaches starts near 0 and grows smoothly to 1.

    Args:
        fraction: of the ramp that has passed, unitless; clipped to 0..1.

    Returns:
        A factor from exp(-5) = 0.0067 to 1, growing with `fraction`.

    Source: released MST-KDNet code, 10 * exp(-5 (1 - min(e, 20) / 20)^2) at epoch e. Differs in: the factor 10 is the
    caller's weight; what the fraction is of (iterations, not epochs) and which terms are ramped (all distillation
    terms, not the consistency alone) is the caller's choice.

    Example:
        >>> round(sigmoid_ramp_up(0.5), 4), sigmoid_ramp_up(1.5)
        (0.2865, 1.0)
    """
    return math.exp(-5.0 * (1.0 - min(max(fraction, 0.0), 1.0)) ** 2)
