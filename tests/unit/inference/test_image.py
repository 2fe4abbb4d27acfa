"""Arrays become images of nnU-Net's kind."""

import numpy as np
import pytest

from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.inference.image import image_of_array


def test_two_dimensional_arrays_get_the_slice_axis_of_nnunet():
    image = image_of_array(np.ones((3, 4)), (0.5, 0.7), "T1")
    assert image.volumes.shape == (1, 1, 3, 4)
    assert image.properties["spacing"] == pytest.approx([0.7 * 999, 0.5, 0.7])


@pytest.mark.parametrize(
    ("shape", "spacing", "says"),
    [
        ((3,), (1,), "shape"),
        ((1, 2, 3, 4), (1,) * 4, "shape"),
        ((2, 3, 4), None, "None"),
        ((2, 3, 4), (1, 1), "3 numb"),
    ],
)
def test_other_arrays_are_refused(shape, spacing, says):
    with pytest.raises(CaseError, match=says):
        image_of_array(np.ones(shape), spacing, "T1")
