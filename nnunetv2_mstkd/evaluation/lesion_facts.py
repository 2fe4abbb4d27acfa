"""What was measured of the single lesions of a pair of masks (L1')."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nnunetv2_mstkd.errors import EvaluationError

MIN_LESION_MM3 = 50.0  # BraTS 2023: a lesion of the reference must be larger than this to be scored
MISSED_LESION_HD95_MM = 374.0  # BraTS 2023: of a lesion that was missed, and of one that is none


@dataclass(frozen=True)
class LesionFacts:
    """The lesions of one (reference, prediction) pair; one entry per lesion of the reference, the small ones included.

    Args:
        volumes_mm3: volume of the lesion.
        dice: of the lesion and all components of the prediction that touch its surroundings; 0 if there are none.
        hd95_mm: of the same two masks, the larger of the two directions; None if no component touches.
        false_positives: components of the prediction that touch no lesion's surroundings, of whatever size.

    Raises:
        EvaluationError: if the lists differ in length.
    """

    volumes_mm3: tuple[float, ...]
    dice: tuple[float, ...]
    hd95_mm: tuple[float | None, ...]
    false_positives: int

    def __post_init__(self) -> None:
        lengths = len(self.volumes_mm3), len(self.dice), len(self.hd95_mm)
        if len(set(lengths)) > 1:
            raise EvaluationError(f"Lesion facts need as many volumes as Dice and HD95 values, not {lengths}")

    @property
    def is_scored(self) -> tuple[bool, ...]:
        """Per lesion, whether it is large enough to be scored."""
        return tuple(volume > MIN_LESION_MM3 for volume in self.volumes_mm3)

    @property
    def mean_dice(self) -> float:
        """Lesion-wise Dice: the sum over scored lesions, divided by scored lesions and false positives; NaN for 0/0."""
        return self._mean(self.dice, false_positive=0.0)

    @property
    def mean_hd95_mm(self) -> float:
        """Lesion-wise HD95: the same mean; what was missed or is none counts 374 mm; NaN for 0/0."""
        values = [MISSED_LESION_HD95_MM if value is None else value for value in self.hd95_mm]
        return self._mean(values, false_positive=MISSED_LESION_HD95_MM)

    def _mean(self, values: Sequence[float], false_positive: float) -> float:
        scored = [value for value, is_scored in zip(values, self.is_scored, strict=True) if is_scored]
        count = len(scored) + self.false_positives
        return (sum(scored) + self.false_positives * false_positive) / count if count else float("nan")

    def without_prediction(self) -> "LesionFacts":
        """Return the facts of the same lesions, all of them missed, and nothing else found."""
        count = len(self.volumes_mm3)
        return LesionFacts(self.volumes_mm3, (0.0,) * count, (None,) * count, false_positives=0)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "LesionFacts":
        """Read what `to_json` wrote.

        Raises:
            EvaluationError: if entries are missing, unknown or of another type.
        """
        try:
            return cls(
                volumes_mm3=tuple(float(v) for v in values["volumes_mm3"]),
                dice=tuple(float(v) for v in values["dice"]),
                hd95_mm=tuple(None if v is None else float(v) for v in values["hd95_mm"]),
                false_positives=int(values["false_positives"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"These are no lesion facts: {error!r} in {values!r}") from error
