"""Values have one meaning, or are refused."""

import pytest

from nnunetv2_mstkd.datasets.layouts.ambiguity import label_set_from_values
from nnunetv2_mstkd.datasets.layouts.table import BY_NAME
from nnunetv2_mstkd.errors import ConversionError

GLI = (BY_NAME["brats2023"], BY_NAME["brats-gli-post"])
PED = (BY_NAME["brats-ped"], BY_NAME["brats2023-ped"])


@pytest.mark.parametrize(
    ("values", "readings", "meanings"),
    [
        ({0, 1, 2, 3}, GLI, {1: "NCR", 2: "ED", 3: "ET"}),
        ({0, 2}, GLI, {1: "NCR", 2: "ED", 3: "ET"}),  # both agree on 2; the smaller set
        ({0, 2, 4}, GLI, {1: "NCR", 2: "ED", 3: "ET", 4: "RC"}),
        ({0, 1, 2, 4}, GLI, {1: "NCR", 2: "ED", 3: "ET", 4: "RC"}),  # never the ET of 2021
        ({0, 2, 4}, PED, {1: "ET", 2: "NCR", 3: "CC", 4: "ED"}),
    ],
)
def test_values_with_one_reading_are_told(values, readings, meanings):
    assert label_set_from_values(values, readings).meanings == meanings


@pytest.mark.parametrize(
    ("values", "readings", "shown"),
    [
        # cases without cysts, or without enhancement, have no 3
        ({0, 1, 2, 4}, (), ['"1=NCR,2=ED,4=ET"', '"1=ET,2=NCR,3=CC,4=ED"', '"1=NCR,2=ED,3=ET,4=RC"']),
        ({0, 1, 2, 3}, (), ['"1=NCR,2=ED,3=ET"', '"1=ED,2=NCR,3=ET"']),
        ({0, 1, 2, 3, 4}, (), ['"1=NCR,2=ED,3=ET,4=RC"', '"1=ET,2=NCR,3=CC,4=ED"']),
        ({0, 1}, (), ['"1=NCR,2=ED,4=ET"', '"1=ED,2=NCR,3=ET"', '"1=ET,2=NCR,3=CC,4=ED"']),
        ({0, 1, 2, 3}, PED, ['"1=NCR,2=ED,3=ET"', '"1=ET,2=NCR,3=CC,4=ED"']),
    ],
)
def test_values_with_contradicting_readings_are_refused_with_all_of_them(values, readings, shown):
    with pytest.raises(ConversionError, match="--labels") as error:
        label_set_from_values(values, readings)
    assert all(text in str(error.value) for text in shown)


def test_values_of_no_known_set_are_refused():
    with pytest.raises(ConversionError, match=r'--labels "1=\.\.\.,7=\.\.\."'):
        label_set_from_values({0, 1, 7})


def test_label_maps_without_any_label_are_refused():
    with pytest.raises(ConversionError, match="no references"):
        label_set_from_values({0})


def test_a_layout_is_advised_only_where_it_can_be_chosen():
    with pytest.raises(ConversionError, match="--layout"):
        label_set_from_values({0, 1, 2, 3}, PED)
    with pytest.raises(ConversionError) as error:
        label_set_from_values({0, 1, 2, 3})
    assert "--layout" not in str(error.value)
