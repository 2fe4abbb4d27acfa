"""A label map as it is read, before anything is known of its values (L1')."""

from pathlib import Path

from nnunetv2_mstkd.cases.raw_file import inspect_raw
from nnunetv2_mstkd.datasets.conversion.image_file import ImageFile, read_image


class LabelError(ValueError):
    """A label map cannot be used; the message goes on after its name."""


def read_label(file: Path) -> ImageFile:
    """Read a label map: one volume, whole, of finite numbers; volumes (1, z, y, x).

    Raises:
        LabelError: if it cannot be read, is damaged, holds several volumes, or NaN or infinite voxels.
    """
    try:
        raw = inspect_raw(file)
        image = None if raw.damage else read_image(file)
    except Exception as error:  # of whichever reader
        raise LabelError(f"cannot be read: {type(error).__name__}: {error}") from error
    if image is None:
        raise LabelError(f"cannot be read: {raw.damage}")
    if len(image.volumes) != 1:
        raise LabelError(f"holds {len(image.volumes)} volumes, but one is needed")
    if fault := raw.non_finite_of(0):  # the reader makes zeros of them
        raise LabelError(fault)
    return image
