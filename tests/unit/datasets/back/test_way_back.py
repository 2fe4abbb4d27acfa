"""Which value becomes which."""

import pytest

from nnunetv2_mstkd.datasets.audit.label_declaration import repainted
from nnunetv2_mstkd.datasets.back.way_back import way_back
from nnunetv2_mstkd.errors import ConversionError

# written by hand after the challenges' own descriptions
BRATS_2023 = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
DATASET137 = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}
DECATHLON = {"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3}
POST = {**BRATS_2023, "resection_cavity": [4]}


@pytest.mark.parametrize(
    ("labels", "layout", "expected"),
    [
        (BRATS_2023, "brats2021", {0: 0, 1: 1, 2: 2, 3: 4}),
        (DATASET137, "brats2021", {0: 0, 1: 2, 2: 1, 3: 4}),
        (DATASET137, "brats2023", {0: 0, 1: 2, 2: 1, 3: 3}),
        (DECATHLON, "brats2023", {0: 0, 1: 2, 2: 1, 3: 3}),
        (BRATS_2023, "msd-brain", {0: 0, 1: 2, 2: 1, 3: 3}),
        (BRATS_2023, "brats-ped", {0: 0, 1: 2, 2: 4, 3: 1}),
        (POST, "brats-gli-post", {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}),
    ],
)
def test_a_dataset_that_was_not_converted_goes_by_what_its_labels_mean(labels, layout, expected):
    assert way_back({"labels": labels}, layout).values == expected


def test_the_section_of_the_converter_is_followed():
    section = {"layout": "x", "title": "X", "preset": "native", "native_labels": {"0": 0, "1": 1, "2": 2, "3": 4}}
    noted = {**section, "prediction_name": "{case}_segm.nii.gz"}
    way = way_back({"labels": BRATS_2023, "mstkd_conversion": noted})
    assert (way.title, way.prediction_name, way.changes) == ("X", "{case}_segm.nii.gz", {3: 4})
    assert way.meanings == {1: "NCR", 2: "ED", 4: "ET"}


def test_a_layout_counts_more_than_the_section():
    section = {"title": "X", "native_labels": {"0": 0, "1": 1}, "prediction_name": "{case}"}
    assert way_back({"labels": BRATS_2023, "mstkd_conversion": section}, "fets2022").values[3] == 4


def test_what_the_layout_has_nothing_for_has_no_way():
    way = way_back({"labels": POST}, "brats2023")
    assert 4 not in way.values
    assert way.lost == {4: "RC"}


@pytest.mark.parametrize(
    ("dataset_json", "layout", "message"),
    [
        ({"labels": BRATS_2023}, None, "no section 'mstkd_conversion'.*--layout.*brats2018.*upenn-gbm"),
        ({"labels": BRATS_2023}, "brats1999", "There is no layout 'brats1999'. The layouts are brats2018"),
        ({"labels": BRATS_2023}, "bids", "no labels of its own: use --bids"),
        (
            {"labels": {"background": 0, "liver": 1}},
            "brats2021",
            "1 NCR, 2 ED, 4 ET, but dataset.json has {1: 'liver'}",
        ),
        ({"labels": BRATS_2023, "mstkd_conversion": {"title": "X"}}, None, "damaged .*native_labels"),
    ],
)
def test_what_cannot_be_told_is_refused(dataset_json, layout, message):
    with pytest.raises(ConversionError, match=message):
        way_back(dataset_json, layout)


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction_name": "result.nii.gz"},
        {"prediction_name": "../{case}.nii.gz"},
        {"native_labels": {"0": 0, "1": 2, "2": 2, "3": 3}},
        {"native_labels": {"0": 1, "1": 0}},
        {"native_labels": {"0": 0, "1": 300}},
    ],
)
def test_a_section_that_would_lose_labels_or_files_is_refused(changes):
    section = {"title": "X", "native_labels": {"0": 0, "1": 1, "2": 2, "3": 4}, "prediction_name": "{case}.nii.gz"}
    with pytest.raises(ConversionError, match="mstkd_conversion"):
        way_back({"labels": BRATS_2023, "mstkd_conversion": {**section, **changes}})


@pytest.mark.parametrize("layout", ["brats2023", None])
def test_predictions_whose_order_exchanges_labels_are_refused(layout):
    # nnU-Net paints WT as 1, TC as 2, ET as 3: necrosis (1) becomes 2, oedema (2) becomes 1
    noted = {"title": "X", "native_labels": {"0": 0, "1": 1, "2": 2, "3": 3}, "prediction_name": "{case}"}
    dataset_json = {"labels": BRATS_2023, "regions_class_order": [1, 2, 3], "mstkd_conversion": noted}
    with pytest.raises(ConversionError, match="1 is predicted as 2, 2 is predicted as 1"):
        way_back(dataset_json, layout)
    assert way_back({**dataset_json, "regions_class_order": [2, 1, 3]}, layout).values[1] == 1


def test_values_that_no_region_tells_apart_may_stand_for_each_other():
    labels = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3]}
    assert not repainted({"labels": labels, "regions_class_order": [2, 1]})
