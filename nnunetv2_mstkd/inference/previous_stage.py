"""What a cascade gets of its previous stage: labels on the grid of the images (L3)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.cases.geometry import Geometry, differences
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.image_reader import ImageReader

PreviousStage = Path | NDArray


def previous_labels(given: PreviousStage, grid: Geometry, reader: ImageReader) -> NDArray[np.float32]:
    """Return the labels of the previous stage.

    Args:
        given: a file, or an array (z, y, x).
        grid: of the case's images.
        reader: of files.

    Returns:
        (z, y, x), of the shape of `grid`.

    Raises:
        CaseError: if the file cannot be read, or its grid or the array's shape is another one.
    """
    if not isinstance(given, Path):
        labels = np.asarray(given, np.float32)
        if labels.shape != grid.shape:
            raise CaseError(
                f"the labels of the previous stage have the shape {labels.shape}; its images have {grid.shape}"
            )
        return labels
    try:
        image = reader.read_label_map(given)
    except Exception as error:  # of whichever reader
        raise CaseError(f"the labels of the previous stage cannot be read: {type(error).__name__}: {error}") from error
    if len(image.volumes) != 1:
        raise CaseError(f"{given.name} holds {len(image.volumes)} volumes, but one label map is expected")
    if different := differences(grid, image.geometry):
        raise CaseError(f"its images and {given.name}, labels of the previous stage, differ: {'; '.join(different)}")
    return image.volumes[0]


def previous_stage_faults(
    given: PreviousStage | None, grid: Geometry | None, reader: ImageReader, *, is_cascade: bool
) -> Iterator[str]:
    """Yield what is wrong with the labels of the previous stage.

    Args:
        given: as for `previous_labels`; None if nothing is.
        grid: of the case's images; None if they have faults themselves, and are nothing to compare with.
        reader: of files.
        is_cascade: whether the model needs them.
    """
    if given is not None and not is_cascade:
        yield "has labels of a previous stage, but this model is no cascade: leave them out"
    elif given is None and is_cascade:
        yield (
            "a cascade needs the labels of its previous stage: name their folder with -prev_stage_predictions "
            "(in Python: previous_stage)"
        )
    elif given is not None and grid is not None:
        try:
            previous_labels(given, grid, reader)
        except CaseError as error:
            yield str(error)
