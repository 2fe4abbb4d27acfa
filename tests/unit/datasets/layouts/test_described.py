"""A layout that a user describes is understood, or the wrong part named."""

import json
import re

import pytest

from nnunetv2_mstkd.datasets.layouts.described import layout_from_description, read_description
from nnunetv2_mstkd.errors import ConversionError

OWN = {
    "images": "{case}/{case}_{modality}.nii.gz",
    "label": "{case}/{case}_seg.nii.gz",
    "modalities": ["T1=t1", "T1ce=t1gd", "T2=t2", "FLAIR=flair"],
}


def test_flags_and_a_file_describe_the_same(tmp_path):
    file = tmp_path / "own.json"
    modalities = {"T1": "t1", "T1ce": ["t1gd"], "T2": "t2", "FLAIR": "flair"}
    file.write_text(json.dumps(OWN | {"modalities": modalities, "labels": {"1": "NCR", "2": "ED", "4": "ET"}}))
    assert read_description(file) == layout_from_description(OWN | {"labels": "1=NCR,2=ED,4=ET"})


def test_the_longest_modality_counts():
    layout = layout_from_description(OWN | {"images": "{case}_{modality}.nii", "modalities": ["T1=t1", "X=ce_t1"]})
    match = layout.image_pattern.match("a_ce_t1")
    assert (match.values["case"], set(layout.channels_of(match))) == ("a", {1})


@pytest.mark.parametrize(
    ("path", "modality"),
    [
        ("c/3_t1", "T1"),
        ("c/3_t1n_brain", "T1"),
        ("c/4_t1ce_brain", "T1ce"),
        ("c/4_ce_t1", "T1ce"),
        ("c/4_t1gd_brain", None),  # is not described: no T1 with a rest
        ("c/4_cet1", None),
    ],
)
def test_a_wildcard_never_makes_another_modality(path, modality):
    modalities = {"T1": ["t1", "t1n", "t1native"], "T1ce": ["t1ce", "ce_t1"]}  # T1's are the longer ones in all
    layout = layout_from_description(OWN | {"images": "{case}/*{modality}*.nii.gz", "modalities": modalities})
    match = layout.image_pattern.match(path)
    assert (match and [layout.modalities.names[i] for i in layout.channels_of(match)]) == (modality and [modality])


def test_without_a_wildcard_beside_it_a_modality_may_be_within_a_word():
    layout = layout_from_description(OWN | {"images": "{case}{modality}_*.nii.gz"})
    assert layout.image_pattern.match("pt1_x").values == {"case": "p", "modality": "t1"}


def test_characters_of_names_mean_themselves():
    layout = layout_from_description(OWN | {"images": "a.b/{case}+{modality}.nii", "modalities": ["A=x.y", "B=z"]})
    assert layout.image_pattern.match("a.b/c+x.y")
    assert not layout.image_pattern.match("aXb/c+x.y")
    assert not layout.image_pattern.match("a.b/c+xxy")
    assert not layout.image_pattern.match("a.b/c+X.Y")


def test_predictions_are_called_as_the_labels_end():
    assert layout_from_description(OWN).prediction_name == "{case}.nii.gz"
    assert layout_from_description(OWN | {"label": "{case}.mha"}).prediction_name == "{case}.mha"
    assert layout_from_description(OWN | {"prediction": "{case}_p.nii.gz"}).prediction_name == "{case}_p.nii.gz"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "x"}, "no 'image'. Did you mean 'images'"),
        ({"images": None}, "'images' must be text"),
        ({"images": "{case}_{modality}"}, "must end in one of .nii.gz"),
        ({"images": "{case}_{modality}.dcm"}, "must end in one of .nii.gz"),
        ({"images": "x_{modality}.nii.gz"}, "must have {case}"),
        ({"images": "{case}.nii.gz"}, "must have {modality}"),
        ({"images": "{case}_{channel}_{modality}.nii.gz"}, "must be one of {case}, {modality}, {patient}"),
        ({"images": "{case}_{modality.nii.gz"}, "must be one of {case}"),
        ({"images": "/data/{case}_{modality}.nii.gz"}, "must be relative"),
        ({"images": "../{case}_{modality}.nii.gz"}, "must be relative"),
        ({"label": "seg.nii.gz"}, "must have {case}"),
        ({"label": []}, "empty list"),
        ({"label": "{case}_{modality}.nii.gz"}, "belongs to all modalities"),
        ({"modalities": ["T1=t1"]}, "at least two channels"),
        ({"modalities": ["T1=t1", "T1=t2"]}, "must be unique"),
        ({"modalities": ["T1=t1", "T2=t1"]}, "'t1' is given for 'T1' and for 'T2'"),
        ({"modalities": ["T1=t1", "T2"]}, "'T2' is not NAME=TEXT"),
        ({"modalities": ["T1=t1", "T2=x/t2"]}, "folders belong into 'images'"),
        ({"modalities": ["T1=t1", "A+B=x"]}, "cannot be called 'A+B'"),
        ({"modalities": {"T1": 1, "T2": "t2"}}, "'modalities' must be text"),
        ({"labels": "NCR"}, "is not value=name"),
        ({"labels": ["NCR"]}, "'labels' must be as"),
        ({"patient": "("}, "no regular expression"),
        ({"patient": "p.*"}, "must have one group"),
        ({"patient": "(p)", "images": "{patient}/{case}_{modality}.nii"}, "give one of the two"),
        ({"prediction": "x.nii.gz"}, "file's name with {case}"),
    ],
)
def test_a_wrong_part_is_named(change, message):
    with pytest.raises(ConversionError, match=re.escape(message)):
        layout_from_description(OWN | change)


def test_missing_parts_are_named():
    with pytest.raises(ConversionError, match="lacks 'label' and 'modalities'"):
        layout_from_description({"images": OWN["images"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "own.json: Expecting"),
        ("[]", "own.json: A layout is described by an object"),
        ('{"label": "a", "label": "b"}', "own.json: 'label' is there twice"),
    ],
)
def test_a_file_that_is_no_description_is_named(tmp_path, text, message):
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(ConversionError, match=message):
        read_description(tmp_path / "own.json")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConversionError, match=r"own\.json"):
        read_description(tmp_path / "own.json")


def test_without_a_name_it_is_called_a_layout_of_your_own():
    described = {"images": "{case}/{modality}.nii.gz", "label": "{case}/seg.nii.gz", "modalities": ["CT=ct", "PET=pt"]}
    assert layout_from_description(described).title == "a layout of your own"
    assert layout_from_description({**described, "name": "clinic"}).title == "clinic"
