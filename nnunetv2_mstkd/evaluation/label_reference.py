"""A reference label map that many predicted label maps are compared to (L1')."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.evaluation.box import Box
from nnunetv2_mstkd.evaluation.cropped_mask import CroppedMask
from nnunetv2_mstkd.evaluation.distance_map import Engine
from nnunetv2_mstkd.evaluation.mask_facts import MaskFacts
from nnunetv2_mstkd.evaluation.reference import DEFAULT_TOLERANCE_MM, Reference, check_shape, check_spacing
from nnunetv2_mstkd.regions import Region


class LabelReference:
    """The reference label map of a case, for all regions and all predictions; may be used by several threads.

    Args:
        labels: whole numbers, (z, y, x).
        regions: what is compared.
        spacing_mm: of each axis, in the order of the axes.
        tolerance_mm: of the normalised surface Dice.
        lesion_wise: whether single lesions are compared, too.
        ignore_label: where the reference has it, neither mask has anything, as in nnU-Net's own evaluation.
        engine: see `Reference`.

    Raises:
        EvaluationError: if labels are not whole numbers, or spacing or tolerance are not usable.

    Example:
        >>> labels = np.zeros((8, 8, 8), np.uint8)
        >>> labels[2:6, 2:6, 2:6], labels[3, 3, 3] = 1, 2
        >>> regions = [Region("whole_tumor", (1, 2)), Region("tumor_core", (2,))]
        >>> facts = LabelReference(labels, regions, (1, 1, 1)).compare(labels)
        >>> {name: found.voxels_both for name, found in facts.items()}
        {'whole_tumor': 64, 'tumor_core': 1}
    """

    def __init__(
        self,
        labels: NDArray[np.generic],
        regions: Sequence[Region],
        spacing_mm: Sequence[float],
        *,
        tolerance_mm: float = DEFAULT_TOLERANCE_MM,
        lesion_wise: bool = False,
        ignore_label: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._shape = labels.shape
        self._regions = tuple(regions)
        self._counted = None if ignore_label is None else labels != ignore_label
        spacing = check_spacing(spacing_mm, labels.ndim)
        self._references = {
            name: Reference.of_cropped(mask, spacing, tolerance_mm=tolerance_mm, lesion_wise=lesion_wise, engine=engine)
            for name, mask in self._masks(labels, "reference").items()
        }

    def compare(self, prediction: NDArray[np.generic]) -> dict[str, MaskFacts]:
        """Return the facts of each region, by its name, in the order of the regions.

        Args:
            prediction: whole numbers, the reference's shape.

        Raises:
            EvaluationError: if the shape differs, or labels are not whole numbers.
        """
        check_shape(prediction.shape, self._shape)
        masks = self._masks(prediction, "prediction")
        return {name: reference.compare_cropped(masks[name]) for name, reference in self._references.items()}

    def _masks(self, labels: NDArray[np.generic], which: str) -> dict[str, CroppedMask]:
        """Return the mask of each region; the foreground's box is looked for once for all of them."""
        box = Box.around(labels != 0)
        if box is None or any(0 in region.labels for region in self._regions):
            box = Box.whole(self._shape)
        foreground = _whole_numbers(labels[box.slices], which)
        counted = None if self._counted is None else self._counted[box.slices]
        return {
            region.name: CroppedMask.of(_mask_of(foreground, region, counted), box.start, self._shape)
            for region in self._regions
        }


def _mask_of(labels: NDArray[np.generic], region: Region, counted: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    mask = labels == region.labels[0]  # a comparison per label is faster than np.isin or a look-up
    for label in region.labels[1:]:
        mask |= labels == label
    return mask if counted is None else mask & counted


def _whole_numbers(labels: NDArray[np.generic], which: str) -> NDArray[np.generic]:
    """Return labels; files of floats are usual, and fine as long as the numbers are whole."""
    if labels.dtype.kind not in "biuf":
        raise EvaluationError(f"The {which} is an array of {labels.dtype}: a label map has whole numbers")
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.floor(labels)):
        raise EvaluationError(f"The {which} has labels that are no whole numbers: is it an image, or a probability?")
    return labels
