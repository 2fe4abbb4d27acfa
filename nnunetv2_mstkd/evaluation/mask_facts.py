"""What was measured of one pair of masks, before any policy (L1')."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.lesion_facts import LesionFacts

ML_PER_MM3 = 1e-3
_COUNTS = ("voxels_reference", "voxels_prediction", "voxels_both")


@dataclass(frozen=True)
class MaskFacts:
    """The raw measures of one (reference, prediction) pair: all that any metric needs, under any policy.

    Args:
        voxels_reference: voxels of the reference.
        voxels_prediction: voxels of the prediction.
        voxels_both: voxels of both.
        voxel_ml: volume of a voxel in ml.
        hd95_reference_mm: 95th percentile of the distances from the reference's surface to the prediction's. None, as
            the three below, if a mask is empty.
        hd95_prediction_mm: the same the other way round.
        hd95_pooled_mm: 95th percentile of both sets of distances together.
        nsd: share of both surfaces' voxels that lie within the tolerance of the other surface.
        lesions: the single lesions; None if they were not asked for.
    """

    voxels_reference: int
    voxels_prediction: int
    voxels_both: int
    voxel_ml: float
    hd95_reference_mm: float | None
    hd95_prediction_mm: float | None
    hd95_pooled_mm: float | None
    nsd: float | None
    lesions: LesionFacts | None = None

    @property
    def is_reference_empty(self) -> bool:
        """Whether the reference has no voxel."""
        return self.voxels_reference == 0

    @property
    def is_prediction_empty(self) -> bool:
        """Whether the prediction has no voxel."""
        return self.voxels_prediction == 0

    @property
    def volume_reference_ml(self) -> float:
        """Volume of the reference in ml."""
        return self.voxels_reference * self.voxel_ml

    @property
    def volume_prediction_ml(self) -> float:
        """Volume of the prediction in ml."""
        return self.voxels_prediction * self.voxel_ml

    def without_prediction(self) -> "MaskFacts":
        """Return the facts of the same reference and a prediction that is empty."""
        return replace(
            self,
            voxels_prediction=0,
            voxels_both=0,
            hd95_reference_mm=None,
            hd95_prediction_mm=None,
            hd95_pooled_mm=None,
            nsd=None,
            lesions=None if self.lesions is None else self.lesions.without_prediction(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads; without the entry `lesions` where there is none."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        lesions = values.pop("lesions")
        return values if lesions is None else {**values, "lesions": lesions.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "MaskFacts":
        """Read what `to_json` wrote.

        Raises:
            EvaluationError: if entries are missing, unknown or of another type.
        """
        try:
            given = dict(values)
            lesions = given.pop("lesions", None)
            read = {name: (int if name in _COUNTS else _number)(value) for name, value in given.items()}
            return cls(**read, lesions=None if lesions is None else LesionFacts.from_json(lesions))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise EvaluationError(f"These are no facts of a pair of masks: {error} in {values!r}") from error


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
