"""A still picture of a case for where no viewer runs: on paper, without scripts or WebGL (L2)."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from nnunetv2_mstkd.benchmark.report.case_volume import CaseVolume, Volume
from nnunetv2_mstkd.benchmark.report.palette import rgb

HEIGHT = 300  # pixels of the picture
OPACITY = 0.62
_GAP = 6  # pixels between the panels


def slice_picture(volume: CaseVolume, modality: str, maps: Sequence[Volume], colours: Mapping[int, str]) -> str:
    """Return a PNG in base64: the image of a modality, then the same under each label map.

    The slice is the one with the most foreground of the reference.

    Args:
        volume: the case.
        modality: of the image.
        maps: labels (z, y, x) of the other panels.
        colours: by label.
    """
    from matplotlib.image import imsave  # not before a picture is drawn: it takes a second

    z = volume.focus[0]
    grey = _enlarged(volume.images[modality][z].astype(float) / 255, volume, order=1)
    panels = [np.repeat(grey[..., None], 3, axis=2)]
    for labels in maps:
        panels.append(_overlaid(panels[0], labels[z], volume, colours))
    gap = np.zeros((grey.shape[0], _GAP, 3))
    strips = [part for panel in panels for part in (panel, gap)][:-1]
    file = io.BytesIO()
    imsave(file, np.clip(np.concatenate(strips, axis=1), 0, 1), format="png")
    return base64.b64encode(file.getvalue()).decode("ascii")


def _overlaid(grey: NDArray, labels: NDArray, volume: CaseVolume, colours: Mapping[int, str]) -> NDArray:
    picture = grey.copy()
    for label, colour in colours.items():
        # a share of 0..1 on the finer grid, so that outlines are no staircases
        share = _enlarged((labels == label).astype(float), volume, order=1)
        cover = (np.clip((share - 0.35) / 0.3, 0, 1) * OPACITY)[..., None]
        picture = picture * (1 - cover) + np.asarray(rgb(colour)) * cover
    return picture


def _enlarged(image: NDArray, volume: CaseVolume, *, order: int) -> NDArray:
    """Return a slice (y, x) at the height of the picture, with square pixels, the patient's left on the right."""
    # (x, y) of NIfTI run to the patient's left and back in ITK's terms, or the other way round
    image = image[:: _sign(volume.direction[4]), :: _sign(volume.direction[0])]
    spacing_x, spacing_y = volume.spacing_mm[:2]
    factor = HEIGHT / image.shape[0]
    finer = zoom(image, (factor, factor * spacing_x / spacing_y), order=order, grid_mode=True, mode="nearest")
    return np.clip(finer, 0, 1)


def _sign(cosine: float) -> int:
    return -1 if cosine < 0 else 1
