"""Labels and regions of dataset.json."""

import pytest

from nnunetv2_mstkd.errors import EvaluationError
from nnunetv2_mstkd.regions import Region, ignore_label, regions_of

BRATS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [2, 3], "enhancing_tumor": [3], "ignore": 4}


def test_regions_are_the_foreground_in_the_order_of_the_dataset():
    expected = (Region("whole_tumor", (1, 2, 3)), Region("tumor_core", (2, 3)), Region("enhancing_tumor", (3,)))
    assert regions_of({"labels": BRATS}) == expected


def test_without_regions_each_label_is_scored():
    labels = {"background": 0, "kidney": 2, "tumour": 1}
    assert regions_of({"labels": labels}) == (Region("kidney", (2,)), Region("tumour", (1,)))


def test_regions_are_those_that_nnunet_evaluates():
    # nnunetv2's own reading, an independent implementation
    label_handling = pytest.importorskip("nnunetv2.utilities.label_handling.label_handling")
    manager = label_handling.LabelManager(BRATS, regions_class_order=[1, 2, 3])
    assert [region.labels for region in regions_of({"labels": BRATS})] == manager.foreground_regions
    assert ignore_label({"labels": BRATS}) == manager.ignore_label


def test_ignore_label():
    assert ignore_label({"labels": BRATS}) == 4
    assert ignore_label({"labels": {"background": 0, "a": 1}}) is None


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("whole_tumor", "WT"), ("Whole Tumour", "WT"), ("wt", "WT"), ("tumor-core", "TC"), ("TC", "TC"),
        ("enhancing_tumour", "ET"), ("ET", "ET"), ("RC", "RC"), ("resection_cavity", "RC"), ("netc", "NETC"),
        ("snfh", "SNFH"), ("oedema", "ED"), ("kidney", "kidney"), ("tumour", "tumour"),
        ("whole", "whole"), ("core", "core"), ("enhancing", "enhancing"),
    ],
)  # fmt: skip
def test_short_forms(name, short):
    assert Region(name, (1,)).short == short


@pytest.mark.parametrize("dataset_json", [{}, {"labels": {}}, {"labels": ["background", "tumour"]}, {"labels": None}])
def test_missing_labels_are_refused(dataset_json):
    for read in (regions_of, ignore_label):
        with pytest.raises(EvaluationError, match="no usable labels"):
            read(dataset_json)


@pytest.mark.parametrize("value", ["tumour", -1, 1.5, True, [], [1, "2"], None])
def test_labels_that_are_no_numbers_are_refused_with_what_they_are(value):
    with pytest.raises(EvaluationError, match=r"Label 'tumour' of dataset\.json is"):
        regions_of({"labels": {"background": 0, "tumour": value}})


def test_the_name_of_the_mean_over_regions_is_refused():
    with pytest.raises(EvaluationError, match=r"'all'.*Rename"):
        regions_of({"labels": {"background": 0, "all": [1, 2], "core": [2]}})


def test_a_dataset_without_foreground_is_refused():
    with pytest.raises(EvaluationError, match="no foreground"):
        regions_of({"labels": {"background": 0, "ignore": 1}})


def test_an_ignore_label_of_several_numbers_is_refused():
    with pytest.raises(EvaluationError, match="one number"):
        ignore_label({"labels": {"background": 0, "a": 1, "ignore": [2, 3]}})
