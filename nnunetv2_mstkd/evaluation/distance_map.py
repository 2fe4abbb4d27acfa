"""Distances to the nearest point of a surface, everywhere in a box (L1')."""

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_mstkd.errors import MissingExtraError
from nnunetv2_mstkd.evaluation.box import Box

Engine = Literal["scipy", "edt"]


class DistanceMap(Protocol):
    """The distance of each voxel of a box to the nearest of a set of points inside the box."""

    box: Box

    def at(self, points: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the distances of points.

        Args:
            points: int (n, axes), indices in the volume, all inside the box.

        Returns:
            float64 (n,), in mm.
        """


@functools.cache
def default_engine() -> Engine:
    """Return what computes distances if nothing is said: edt where it is installed (extra `fast`), else scipy."""
    return "edt" if importlib.util.find_spec("edt") is not None else "scipy"


def distance_map(
    points: NDArray[np.intp], box: Box, spacing_mm: Sequence[float], engine: Engine | None = None
) -> DistanceMap:
    """Return the distance map of a set of points.

    Args:
        points: int (n, axes), indices in the volume; at least one, all inside the box.
        box: where distances are wanted.
        spacing_mm: of each axis; what is given for an axis of length 1 is without influence.
        engine: the package that computes it; see `default_engine`. They agree to a relative 1e-6: scipy's is exact,
            edt computes in float32.

    Raises:
        MissingExtraError: if edt is asked for and not installed.
    """
    if (engine or default_engine()) == "edt":
        return SquaredDistanceMap(points, box, spacing_mm)
    return NearestPointMap(points, box, spacing_mm)


class NearestPointMap:
    """A `DistanceMap` that holds the nearest point of each voxel; by scipy.

    The transform's points without its distances take half of the time of both, and distances are only ever wanted at a
    surface. They are computed there, from whole numbers of voxels.
    """

    def __init__(self, points: NDArray[np.intp], box: Box, spacing_mm: Sequence[float]) -> None:
        self.box = box
        self._spacing_mm = np.asarray(spacing_mm, np.float64)
        nearest = ndimage.distance_transform_edt(
            _without(points, box), sampling=self._spacing_mm, return_distances=False, return_indices=True
        )  # int32 (axes, *box)
        self._nearest = np.ravel_multi_index(tuple(nearest), box.shape).astype(np.int32)  # a third of the memory

    def at(self, points: NDArray[np.intp]) -> NDArray[np.float64]:
        """See `DistanceMap.at`."""
        local = points - np.asarray(self.box.start)
        nearest = np.stack(np.unravel_index(self._nearest[tuple(local.T)], self.box.shape), axis=1)
        return np.sqrt((((local - nearest) * self._spacing_mm) ** 2).sum(axis=1))


class SquaredDistanceMap:
    """A `DistanceMap` that holds the squared distance of each voxel; by the package edt."""

    def __init__(self, points: NDArray[np.intp], box: Box, spacing_mm: Sequence[float]) -> None:
        try:
            edt = importlib.import_module("edt")
        except ImportError as error:
            raise MissingExtraError("Distances by edt need the package edt", "fast") from error
        self.box = box
        # It takes C order, with spacings in the order of the axes. Its border is no surface (black_border is False).
        self._squared = edt.edtsq(_without(points, box), anisotropy=tuple(map(float, spacing_mm)))  # float32 (*box)

    def at(self, points: NDArray[np.intp]) -> NDArray[np.float64]:
        """See `DistanceMap.at`."""
        local = points - np.asarray(self.box.start)
        return np.sqrt(self._squared[tuple(local.T)].astype(np.float64))


def _without(points: NDArray[np.intp], box: Box) -> NDArray[np.uint8]:
    """Return an array of the box, 0 at the points and 1 elsewhere: transforms measure the way to the nearest 0."""
    array = np.ones(box.shape, np.uint8)
    array[tuple((points - np.asarray(box.start)).T)] = 0
    return array
