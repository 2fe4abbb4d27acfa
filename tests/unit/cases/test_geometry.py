"""Where images differ in their grids."""

from dataclasses import replace

import pytest

from nnunetv2_mstkd.cases.geometry import Geometry, differences

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((155, 240, 240), (5.0, 0.5, 0.5), (10.0, -239.0, 30.0), IDENTITY)


def test_equal_grids_do_not_differ():
    assert differences(GRID, replace(GRID)) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": (150, 240, 240)}, "size (155, 240, 240) and (150, 240, 240) voxels (z, y, x)"),
        ({"spacing": (5.0, 0.5, 0.51)}, "spacing (5, 0.5, 0.5) and (5, 0.5, 0.51) mm (z, y, x)"),
        ({"origin": (10.0, -238.0, 30.0)}, "origin (10, -239, 30) and (10, -238, 30) mm"),
        ({"origin": (10.0, -239.0)}, "origin (10, -239, 30) and (10, -239) mm"),
        ({"origin": (10.0, -239.0, float("nan"))}, "origin (10, -239, 30) and (10, -239, nan) mm"),
        (
            {"direction": (-1.0, *IDENTITY[1:])},
            "direction (1, 0, 0, 0, 1, 0, 0, 0, 1) and (-1, 0, 0, 0, 1, 0, 0, 0, 1)",
        ),
    ],
)
def test_each_difference_is_told_with_the_numbers_of_both(change, says):
    assert differences(GRID, replace(GRID, **change)) == [says]


def test_all_differences_are_told():
    other = Geometry((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.0,) * 9)
    assert [told.partition(" ")[0] for told in differences(GRID, other)] == ["size", "spacing", "origin", "direction"]


@pytest.mark.parametrize(
    "change",
    [
        {"spacing": (5.004, 0.4996, 0.5)},  # less than a thousandth
        {"origin": (10.04, -239.04, 29.96)},  # a hundredth of the 5 mm between slices is 0.05 mm
        {"direction": (0.9999999, 0.0009, -0.0009, *IDENTITY[3:])},
        {"origin": None, "direction": None},  # the format has none
    ],
)
def test_what_a_converter_rounds_is_no_difference(change):
    other = replace(GRID, **change)
    assert differences(GRID, other) == differences(other, GRID) == []


def test_the_made_up_spacing_of_a_single_slice_does_not_widen_the_tolerance():
    image = Geometry((1, 240, 240), (499.5, 0.5, 0.5), (10.0, -239.0), (1.0, 0.0, 0.0, 1.0))
    assert differences(image, replace(image, origin=(10.004, -239.0))) == []
    assert differences(image, replace(image, origin=(11.0, -239.0))) == ["origin (10, -239) and (11, -239) mm"]
