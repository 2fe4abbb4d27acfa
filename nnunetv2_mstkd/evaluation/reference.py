"""A reference mask that many predictions are compared to (L1')."""

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.distance_map import Engine
from nnunetv2_mstkd.evaluation.lesions import LesionReference
from nnunetv2_mstkd.evaluation.mask_facts import ML_PER_MM3, MaskFacts
from nnunetv2_mstkd.evaluation.surface_reference import SurfaceFacts, SurfaceReference

DEFAULT_TOLERANCE_MM = 1.0
_NO_SURFACES: dict[str, Any] = dict.fromkeys(field.name for field in fields(SurfaceFacts))


class Reference:
    """A reference mask; what can be computed of it once is kept for all predictions.

    Axes along which the volume has a single voxel are no dimensions of surfaces: masks of shape (1, y, x) have the
    distances of (y, x), whatever spacing is made up for z. Volumes take the spacing as given. May be used by several
    threads.

    Args:
        mask: bool, (z, y, x) or (y, x).
        spacing_mm: of each axis, in the order of the axes.
        tolerance_mm: of the normalised surface Dice.
        lesion_wise: whether single lesions are compared, too.
        engine: the package that computes distances, "scipy" or "edt"; by default edt where it is installed.

    Raises:
        EvaluationError: if the mask is not boolean, or spacing or tolerance are not usable.

    Example:
        >>> truth = np.zeros((10, 10, 10), bool)
        >>> truth[2:6, 2:6, 2:6] = True
        >>> facts = Reference(truth, (1, 1, 1)).compare(np.roll(truth, 3, axis=0))  # 16 of 64 voxels overlap
        >>> facts.voxels_both, facts.hd95_reference_mm
        (16, 3.0)
    """

    def __init__(
        self,
        mask: NDArray[np.bool_],
        spacing_mm: Sequence[float],
        *,
        tolerance_mm: float = DEFAULT_TOLERANCE_MM,
        lesion_wise: bool = False,
        engine: Engine | None = None,
    ) -> None:
        _check_mask(mask, "reference")
        self._prepare(CroppedMask.of(mask), spacing_mm, tolerance_mm, lesion_wise, engine)

    @classmethod
    def of_cropped(
        cls,
        mask: CroppedMask,
        spacing_mm: Sequence[float],
        *,
        tolerance_mm: float = DEFAULT_TOLERANCE_MM,
        lesion_wise: bool = False,
        engine: Engine | None = None,
    ) -> "Reference":
        """Return the reference of a mask that is cropped already."""
        reference = cls.__new__(cls)
        reference._prepare(mask, spacing_mm, tolerance_mm, lesion_wise, engine)
        return reference

    def _prepare(
        self,
        mask: CroppedMask,
        spacing_mm: Sequence[float],
        tolerance_mm: float,
        lesion_wise: bool,
        engine: Engine | None,
    ) -> None:
        spacing = check_spacing(spacing_mm, len(mask.shape))
        if not (math.isfinite(tolerance_mm) and tolerance_mm >= 0):
            raise EvaluationError(f"The tolerance of the surface Dice must be 0 mm or more, not {tolerance_mm}")
        self._mask = mask
        self._voxel_ml = math.prod(spacing) * ML_PER_MM3
        self._surface = SurfaceReference(mask, spacing, tolerance_mm, engine)
        self._lesions = LesionReference(mask, spacing, engine) if lesion_wise else None

    def compare(self, prediction: NDArray[np.bool_]) -> MaskFacts:
        """Return the facts of this reference and a prediction.

        Args:
            prediction: bool, the reference's shape.

        Raises:
            EvaluationError: if the prediction is not boolean, or has another shape.
        """
        _check_mask(prediction, "prediction")
        check_shape(prediction.shape, self._mask.shape)
        return self.compare_cropped(CroppedMask.of(prediction))

    def compare_cropped(self, prediction: CroppedMask) -> MaskFacts:
        """Return the facts of this reference and a prediction of the same volume that is cropped already."""
        has_surfaces = self._mask.count > 0 and prediction.count > 0
        surfaces = asdict(self._surface.compare(prediction)) if has_surfaces else _NO_SURFACES
        return MaskFacts(
            voxels_reference=self._mask.count,
            voxels_prediction=prediction.count,
            voxels_both=self._mask.overlap(prediction),
            voxel_ml=self._voxel_ml,
            lesions=None if self._lesions is None else self._lesions.compare(prediction),
            **surfaces,
        )


def check_shape(prediction: Sequence[int], reference: Sequence[int]) -> None:
    """Raise EvaluationError, with both shapes, if a prediction has not the shape of its reference."""
    if tuple(prediction) != tuple(reference):
        raise EvaluationError(
            f"The prediction has the shape {tuple(prediction)}, its reference {tuple(reference)}: they must be of the "
            "same case, on the same grid"
        )


def check_spacing(spacing_mm: Sequence[float], axes: int) -> tuple[float, ...]:
    """Return a spacing as numbers.

    Raises:
        EvaluationError: if it is not one positive number for each axis.
    """
    spacing = tuple(float(mm) for mm in spacing_mm)
    if len(spacing) != axes or not all(math.isfinite(mm) and mm > 0 for mm in spacing):
        raise EvaluationError(f"The spacing must be {axes} positive numbers in mm, one for each axis, not {spacing_mm}")
    return spacing


def _check_mask(mask: NDArray[np.bool_], which: str) -> None:
    if mask.dtype != np.bool_:
        raise EvaluationError(f"The {which} is an array of {mask.dtype}: give a boolean mask, such as labels == 1")
