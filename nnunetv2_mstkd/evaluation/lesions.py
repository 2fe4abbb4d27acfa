"""Lesion-wise comparison as in BraTS 2023 (L1')."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunetv2_mstkd.evaluation.box import Box
from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.distance_map import Engine
from nnunetv2_mstkd.evaluation.lesion_facts import LesionFacts
from nnunetv2_mstkd.evaluation.surface_reference import SurfaceReference

DILATIONS = 3  # BraTS 2023, adult gliomas: parts of the reference that meet after this many are one lesion


class LesionReference:
    """The lesions of a reference mask, shared by all predictions that it is compared to.

    The reference is dilated three times; what is connected then is one lesion, with the dilated voxels as its
    surroundings. A component of the prediction that touches the surroundings of a lesion belongs to it, and may belong
    to several; one that touches none is a false positive. Components are connected over faces, edges and corners.

    Args:
        mask: may be empty.
        spacing_mm: of each axis.
        engine: see `distance_map`.

    Source: BraTS 2023 (adult gliomas), https://github.com/rachitsaluja/BraTS-2023-Metrics, written from its rules: the
    dilation's element is all neighbours that share a face or an edge. Differs in: HD95 is that of this package, a
    percentile of voxels rather than of pieces of surface weighted by area.
    """

    def __init__(self, mask: CroppedMask, spacing_mm: Sequence[float], engine: Engine | None = None) -> None:
        self._spacing_mm = tuple(spacing_mm)
        self._box = mask.box and mask.box.grown([DILATIONS] * len(mask.shape), mask.shape)
        self._surroundings, self._lesions = self._split(mask)
        self._surfaces = [SurfaceReference(lesion, spacing_mm, 0.0, engine) for lesion in self._lesions]

    def _split(self, mask: CroppedMask) -> tuple[NDArray[np.int32], list[CroppedMask]]:
        """Return the lesion number of each voxel of the grown box, 0 for none, and the lesions themselves."""
        if mask.box is None or self._box is None:
            return np.zeros((0,) * len(mask.shape), np.int32), []
        voxels = np.zeros(self._box.shape, bool)
        voxels[mask.box.within(self._box)] = mask.voxels
        element = ndimage.generate_binary_structure(voxels.ndim, min(2, voxels.ndim))
        surroundings, count = _components(ndimage.binary_dilation(voxels, element, iterations=DILATIONS))
        numbered = np.where(voxels, surroundings, 0)
        parts = ndimage.find_objects(numbered, max_label=count)
        lesions = [_cut(numbered[part] == i, part, self._box, mask.shape) for i, part in enumerate(parts, start=1)]
        return surroundings, lesions

    def compare(self, prediction: CroppedMask) -> LesionFacts:
        """Return the facts of all lesions; the prediction may be empty."""
        components, count = _components(prediction.voxels)
        touched = np.zeros(count + 1, bool)
        dice: list[float] = []
        hd95_mm: list[float | None] = []
        for number in range(1, len(self._lesions) + 1):
            found = self._found_near(number, components, count, prediction.box)
            touched |= found
            value, distance = self._compare_lesion(number, found[components], prediction)
            dice.append(value)
            hd95_mm.append(distance)
        return LesionFacts(
            volumes_mm3=tuple(float(lesion.count * np.prod(self._spacing_mm)) for lesion in self._lesions),
            dice=tuple(dice),
            hd95_mm=tuple(hd95_mm),
            false_positives=int(count - np.count_nonzero(touched)),
        )

    def _found_near(self, number: int, components: NDArray[np.int32], count: int, box: Box | None) -> NDArray[np.bool_]:
        """Return which components of the prediction touch a lesion's surroundings: bool (count + 1,), [0] is False."""
        found = np.zeros(count + 1, bool)
        both = self._box.intersection(box) if self._box and box else None
        if self._box is None or box is None or both is None:
            return found
        near = self._surroundings[both.within(self._box)] == number
        found[components[both.within(box)][near]] = True
        found[0] = False
        return found

    def _compare_lesion(
        self, number: int, found: NDArray[np.bool_], prediction: CroppedMask
    ) -> tuple[float, float | None]:
        """Return Dice and HD95 of a lesion and of what was found of it, a mask in the box of the prediction."""
        start = None if prediction.box is None else prediction.box.start
        part = CroppedMask.of(found, start, prediction.shape)
        lesion = self._lesions[number - 1]
        if part.box is None:
            return 0.0, None
        surfaces = self._surfaces[number - 1].compare(part)
        dice = 2 * lesion.overlap(part) / (lesion.count + part.count)
        return dice, max(surfaces.hd95_reference_mm, surfaces.hd95_prediction_mm)


def _components(voxels: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Return the number of each voxel's component, 0 for none, and how many there are."""
    numbered, count = ndimage.label(voxels, structure=np.ones((3,) * voxels.ndim, bool))
    return numbered, int(count)


def _cut(mask: NDArray[np.bool_], part: tuple[slice, ...], box: Box, shape: tuple[int, ...]) -> CroppedMask:
    """Return a mask that is a part of a box, cropped."""
    return CroppedMask.of(mask, [s.start + a for s, a in zip(part, box.start, strict=True)], shape)
