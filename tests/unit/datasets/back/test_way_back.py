"""Which value becomes which."""

import json

import pytest

from nnunetv2_mstkd.datasets.back.way_back import way_back
from nnunetv2_mstkd.errors import ConversionError

# dataset.json of models that predict what they were trained with; by hand after the challenges' own descriptions
_REGIONS = {"background": 0, "whole_tumor": [1, 2, 3], "tumor_core": [1, 3], "enhancing_tumor": [3]}
BRATS_2023 = {"labels": _REGIONS, "regions_class_order": [2, 1, 3]}
POST = {"labels": {**_REGIONS, "resection_cavity": [4]}, "regions_class_order": [2, 1, 3, 4]}
DATASET137 = {
    "labels": {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]},
    "regions_class_order": [1, 2, 3],
}
DECATHLON = {"labels": {"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3}}
PAEDIATRIC = {  # in nnU-Net's order: 1 oedema, 2 non-enhancing, 3 enhancing, 4 cyst
    "labels": {
        "background": 0,
        "whole_tumor": [1, 2, 3, 4],
        "tumor_core": [2, 3, 4],
        "cystic_component": [4],
        "enhancing_tumor": [3],
    },
    "regions_class_order": [1, 2, 4, 3],
}


@pytest.mark.parametrize(
    ("dataset_json", "layout", "expected"),
    [
        (BRATS_2023, "brats2021", {0: 0, 1: 1, 2: 2, 3: 4}),
        (DATASET137, "brats2021", {0: 0, 1: 2, 2: 1, 3: 4}),
        (DATASET137, "brats2023", {0: 0, 1: 2, 2: 1, 3: 3}),
        (DECATHLON, "brats2023", {0: 0, 1: 2, 2: 1, 3: 3}),
        (PAEDIATRIC, "brats-ped", {0: 0, 1: 4, 2: 2, 3: 1, 4: 3}),
        (BRATS_2023, "msd-brain", {0: 0, 1: 2, 2: 1, 3: 3}),
        (BRATS_2023, "brats-ped", {0: 0, 1: 2, 2: 4, 3: 1}),
        (POST, "brats-gli-post", {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}),
    ],
)
def test_a_dataset_that_was_not_converted_goes_by_what_its_labels_mean(dataset_json, layout, expected):
    assert way_back(dataset_json, layout).values == expected


def test_the_section_of_the_converter_is_followed():
    section = {"layout": "x", "title": "X", "preset": "native", "native_labels": {"0": 0, "1": 1, "2": 2, "3": 4}}
    noted = {**section, "prediction_name": "{case}_segm.nii.gz"}
    way = way_back({**BRATS_2023, "mstkd_conversion": noted})
    assert (way.title, way.prediction_name, way.changes) == ("X", "{case}_segm.nii.gz", {3: 4})
    assert way.meanings == {1: "NCR", 2: "ED", 4: "ET"}


def test_a_layout_counts_more_than_the_section():
    section = {"title": "X", "native_labels": {"0": 0, "1": 1}, "prediction_name": "{case}"}
    assert way_back({**BRATS_2023, "mstkd_conversion": section}, "fets2022").values[3] == 4


def test_what_the_layout_has_nothing_for_has_no_way():
    way = way_back(POST, "brats2023")
    assert 4 not in way.values
    assert way.lost == {4: "RC"}


@pytest.mark.parametrize(
    ("dataset_json", "layout", "message"),
    [
        (BRATS_2023, None, "no section 'mstkd_conversion'.*--layout.*brats2018.*upenn-gbm"),
        (
            BRATS_2023,
            "brats2032",
            "no layout 'brats2032'. Did you mean 'brats2023'.* The layouts are brats2018",
        ),
        (BRATS_2023, "bids", "no labels of its own: use --bids"),
        (
            {"labels": {"background": 0, "liver": 1}},
            "brats2021",
            "1 NCR, 2 ED, 4 ET, but dataset.json has {1: 'liver'}",
        ),
        (
            {**BRATS_2023, "mstkd_conversion": {"title": "X"}},
            None,
            "'mstkd_conversion' of dataset.json is damaged: it must have native_labels",
        ),
        (
            {"labels": _REGIONS},
            None,
            r"^regions_class_order of dataset.json is None, but there are 3 regions \(whole_tumor",
        ),
        ({"labels": _REGIONS, "regions_class_order": [1, 1, 3]}, "brats2023", "the same value, 1, in predictions"),
        ({"labels": {"background": 0, "x": 256}}, "brats2023", "go up to 256, but .* 8 bits, up to 255"),
        (
            {"labels": {"background": 0, "necrosis": 1, "NETC": 2, "edema": 3, "ET": 4}},
            "brats2023",
            "Several values of dataset.json mean the same",
        ),
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
        way_back({**BRATS_2023, "mstkd_conversion": {**section, **changes}})


# nnU-Net paints WT as 1, TC as 2, ET as 3: oedema, which is 2 in label maps, is predicted as 1, and necrosis as 2
EXCHANGED = {"labels": _REGIONS, "regions_class_order": [1, 2, 3]}


@pytest.mark.parametrize(("layout", "enhancing"), [("brats2023", 3), ("brats2021", 4)])
def test_an_order_that_exchanges_labels_is_undone_for_a_layout(layout, enhancing):
    assert way_back(EXCHANGED, layout).values == {0: 0, 1: 2, 2: 1, 3: enhancing}


def test_an_order_that_exchanges_labels_is_undone_for_what_the_converter_noted():
    noted = {"title": "X", "native_labels": {"0": 0, "1": 1, "2": 2, "3": 4}, "prediction_name": "{case}"}
    way = way_back({**EXCHANGED, "mstkd_conversion": noted})
    assert way.values == {0: 0, 1: 2, 2: 1, 3: 4}
    assert way.meanings == {1: "NCR", 2: "ED", 4: "ET"}


def test_an_order_that_exchanges_labels_is_undone_where_labels_are_kept():
    way = way_back(EXCHANGED, keep_labels=True)
    assert way.values == {0: 0, 1: 2, 2: 1, 3: 3}
    assert way.meanings == {1: "NCR", 2: "ED", 3: "ET"}


def test_a_value_that_the_note_has_nothing_for_has_no_way():
    noted = {"title": "X", "native_labels": {"0": 0, "1": 1, "2": 2}, "prediction_name": "{case}"}
    way = way_back({**EXCHANGED, "mstkd_conversion": noted})
    assert way.values == {0: 0, 1: 2, 2: 1}
    assert way.lost == {3: "ET"}


def test_values_that_mean_the_same_keep_the_names_of_their_labels():
    labels = {"background": 0, "necrosis": 1, "NETC": 2, "edema": 3}
    assert way_back({"labels": labels}, keep_labels=True).meanings == {1: "necrosis", 2: "NETC", 3: "ED"}


def test_a_layout_that_the_user_describes_is_taken_from_its_file(tmp_path):
    description = {"images": "{case}_{modality}.nii.gz", "label": "{case}_seg.nii.gz", "modalities": ["T1=t1", "T2=t2"]}
    file = tmp_path / "Clinic.JSON"
    file.write_text(json.dumps({**description, "title": "Clinic", "labels": "10=ET,20=ED,30=necrosis"}))
    way = way_back(BRATS_2023, str(file))
    assert (way.title, way.values) == ("Clinic", {0: 0, 1: 30, 2: 20, 3: 10})
    file.write_text(json.dumps(description))
    with pytest.raises(ConversionError, match="no labels of its own: name them by 'labels'"):
        way_back(BRATS_2023, str(file))
