"""The anatomy that every patient is derived from: tissue maps of the ICBM152 template, as nilearn ships them."""

from functools import cache

import numpy as np

from nnunetv2_mstkd.datasets.demonstration.grid import Field
from nnunetv2_mstkd.errors import MissingExtraError

# The brain's centre in the template's array (z, y, x, after turning it to LPS): where patients are placed around.
CENTRE_VOXEL = (77.0, 115.0, 98.0)
GREY, WHITE, BRAIN = range(3)  # the maps' order


@cache
def tissue_maps() -> Field:
    """Return grey matter, white matter and brain, each in [0, 1]: array (3, z, y, x), 1 mm, LPS.

    Source: ICBM 152 Nonlinear atlases 2009a (Fonov et al., NeuroImage 54(1), 2011), in nilearn's package data.

    Raises:
        MissingExtraError: if nilearn is not installed.
    """
    try:
        from nilearn import datasets
    except ImportError as error:
        raise MissingExtraError("The simulated cohort needs nilearn", "demo") from error
    maps = (
        datasets.load_mni152_gm_template(resolution=1),
        datasets.load_mni152_wm_template(resolution=1),
        datasets.load_mni152_brain_mask(resolution=1),
    )
    # nilearn's arrays are (x, y, z) with x to the right and y to the front
    return np.stack([np.asarray(m.dataobj, np.float32).transpose(2, 1, 0)[:, ::-1, ::-1] for m in maps])
