"""Names of labels become what regions are made of."""

import pytest

from nnunetv2_mstkd.datasets.layouts.label_names import label_set_from_names, parse_labels
from nnunetv2_mstkd.errors import ConversionError


@pytest.mark.parametrize(
    ("text", "meanings"),
    [
        ("1=NCR,2=ED,4=ET", {1: "NCR", 2: "ED", 4: "ET"}),
        (" 4 = GD-enhancing tumour , 1 = NETC,2=SNFH,", {1: "NCR", 2: "ED", 4: "ET"}),
        ("1=ET,2=NET,3=cystic component,4=oedema", {1: "ET", 2: "NCR", 3: "CC", 4: "ED"}),
        ("1=Necrotic and non-enhancing tumour core,2=SNFH,4=ET", {1: "NCR", 2: "ED", 4: "ET"}),
        ("0=background,1=lesion", {1: "lesion"}),
        ("3=resection_cavity,7=vessel", {3: "RC", 7: "vessel"}),
        # both are of the non-enhancing core: names stay, and the values become labels rather than regions
        ("1=NCR,2=ED,3=NET,4=ET", {1: "NCR", 2: "ED", 3: "NET", 4: "ET"}),
    ],
)
def test_labels_are_read(text, meanings):
    assert parse_labels(text).meanings == meanings


def test_two_names_of_one_meaning_make_no_regions():
    assert not parse_labels("1=NCR,2=ED,3=NET,4=ET").is_tumour
    assert parse_labels("1=NCR,2=ED,4=ET").is_tumour


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name no foreground"),
        ("0=background", "name no foreground"),
        ("NCR=1", "is not value=name"),
        ("1=", "is not value=name"),
        ("1=NCR,1=ED", "the value 1 twice"),
        ("1=a,2=a", "several values are called 'a'"),
        ("0=air,1=a", "0 is 'air'"),
        ("300=a", "300 .* not within 0 and 255"),
        ("1=Background", "cannot be called"),
        ("1=all", "cannot be called 'all'"),
        ("1=ignore,2=a", "highest value"),
    ],
)
def test_labels_that_cannot_be_are_refused(text, message):
    with pytest.raises(ConversionError, match=message):
        parse_labels(text)


def test_the_message_says_where_names_come_from():
    with pytest.raises(ConversionError, match=r"of my\.tsv"):
        label_set_from_names({1: ""}, "The labels of my.tsv")
