"""Surface distances of many predictions to one reference (L1')."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.evaluation.box import Box
from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.distance_map import DistanceMap, Engine, distance_map
from nnunetv2_mstkd.evaluation.surface import surface_points

PERCENTILE = 95.0
# A voxel that is just as far as the tolerance is within it, whatever a file's header made of the spacing: 1 mm is often
# stored as 1.0000001, and sums of squares round, too.
ROUNDING = 1e-5
_MARGIN = 8  # voxels that the reference's map reaches beyond what was asked of it first


@dataclass(frozen=True)
class SurfaceFacts:
    """What two surfaces are apart; see `MaskFacts` for the fields."""

    hd95_reference_mm: float
    hd95_prediction_mm: float
    hd95_pooled_mm: float
    nsd: float


class SurfaceReference:
    """The surface of a reference mask and the map of distances to it, shared by all predictions that it is compared to.

    Both are made when first needed. The map covers the reference and grows when a prediction lies beyond: most are
    close, and need no map of the whole volume. May be used by several threads.

    Args:
        mask: not empty.
        spacing_mm: of each axis.
        tolerance_mm: of the normalised surface Dice.
        engine: see `distance_map`.
    """

    def __init__(
        self, mask: CroppedMask, spacing_mm: Sequence[float], tolerance_mm: float, engine: Engine | None = None
    ) -> None:
        self._mask = mask
        self._spacing_mm = tuple(spacing_mm)
        self._within_mm = tolerance_mm * (1 + ROUNDING)
        self._engine = engine
        self._lock = threading.Lock()
        self._map: DistanceMap | None = None

    @cached_property
    def _points(self) -> NDArray[np.intp]:
        return surface_points(self._mask)

    def compare(self, prediction: CroppedMask) -> SurfaceFacts:
        """Return how far two surfaces are apart; neither mask may be empty."""
        assert self._mask.box is not None
        assert prediction.box is not None
        theirs = surface_points(prediction)
        both = self._mask.box.union(prediction.box)
        from_reference = distance_map(theirs, both, self._spacing_mm, self._engine).at(self._points)
        from_prediction = self._map_of(both).at(theirs)
        pooled = np.concatenate([from_reference, from_prediction])
        return SurfaceFacts(
            hd95_reference_mm=float(np.percentile(from_reference, PERCENTILE)),
            hd95_prediction_mm=float(np.percentile(from_prediction, PERCENTILE)),
            hd95_pooled_mm=float(np.percentile(pooled, PERCENTILE)),
            nsd=float(np.count_nonzero(pooled <= self._within_mm) / len(pooled)),
        )

    def _map_of(self, box: Box) -> DistanceMap:
        """Return the map of the distances to the reference; it covers `box`."""
        with self._lock:
            if self._map is None:
                margin = [_MARGIN] * len(box.start)
                self._map = self._made(box.grown(margin, self._mask.shape))
            elif not self._map.box.contains(box):
                # by half of its size at least: predictions that lie ever further out make it anew only a few times
                larger = self._map.box.union(box)
                self._map = self._made(larger.grown([n // 4 for n in larger.shape], self._mask.shape))
            return self._map

    def _made(self, box: Box) -> DistanceMap:
        return distance_map(self._points, box, self._spacing_mm, self._engine)
