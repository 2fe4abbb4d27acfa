"""Which masks were empty, and so how often the policy decided (L2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.benchmark.results import Results


@dataclass(frozen=True)
class Emptiness:
    """Empty masks, bool (models, repeats, subsets, regions, cases).

    Args:
        scored: whether there is a pair of masks.
        reference: whether its reference is empty.
        prediction: whether its prediction is empty.
    """

    scored: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    prediction: NDArray[np.bool_]

    @classmethod
    def of(cls, results: Results) -> "Emptiness":
        """Find them in the facts."""
        facts, shape = results.facts.ravel().tolist(), results.facts.shape
        scored = np.array([fact is not None for fact in facts])
        reference = np.array([fact is not None and fact.is_reference_empty for fact in facts])
        prediction = np.array([fact is not None and fact.is_prediction_empty for fact in facts])
        return cls(scored.reshape(shape), reference.reshape(shape), prediction.reshape(shape))

    @property
    def one_empty(self) -> NDArray[np.bool_]:
        """Where one mask of the two is empty: something was missed, or made up."""
        return self.reference != self.prediction


def empties(results: Results, emptiness: Emptiness) -> list[dict[str, Any]]:
    """Return, for each model and region, in how many pairs of masks which of them is empty.

    `reference_empty`: only the reference is, something was found where there is nothing; `prediction_empty`: only the
    prediction is, all was missed. Pairs are counted over subsets, cases and repeats.
    """
    kinds = {
        "both": emptiness.reference & emptiness.prediction,
        "reference_empty": emptiness.reference & ~emptiness.prediction,
        "prediction_empty": emptiness.prediction & ~emptiness.reference,
        "pairs": emptiness.scored,
    }
    return [
        {"model": title, "region": region.name, **{kind: int(there[m, :, :, r].sum()) for kind, there in kinds.items()}}
        for m, title in enumerate(results.titles)
        for r, region in enumerate(results.regions)
    ]
