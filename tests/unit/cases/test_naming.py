"""What the names of files say."""

import re

import pytest

from nnunetv2_mstkd.cases.naming import FileName, is_label_name, parse_name
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.sequence_name import ALIASES

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))


@pytest.mark.parametrize(
    ("stem", "case", "channel"),
    [
        ("case_0000", "case", 0),
        ("case_0003", "case", 3),
        ("case_12_0001", "case_12", 1),
        ("case__0001", "case_", 1),  # nnU-Net's own reading
        ("case_t1ce", "case", 1),
        ("case-t2f", "case", 3),
        ("case_FLAIR", "case", 3),
        ("case.T2", "case", 2),
        ("case T1", "case", 0),
        ("case__t1", "case", 0),
        ("BraTS-GLI-00000-000-t1n", "BraTS-GLI-00000-000", 0),
        ("BraTS20_Training_001_t1ce", "BraTS20_Training_001", 1),
        ("UPENN-GBM-00001_11_T1GD", "UPENN-GBM-00001_11", 1),
        ("patient_0001_t1", "patient_0001", 0),
        ("case_t1_ce", "case", 1),
        ("case_t1-c", "case", 1),
        ("case_t1.ce", "case", 1),
        ("case_t2_flair", "case", 3),
        ("case_ce-gadolinium_T1w", "case", 1),
        ("case_t1_post", "case", 1),
        ("case_post_flair", "case_post", 3),
        ("t1", None, 0),
        ("T2-FLAIR", None, 3),
        ("sub-01_T1w", "sub-01", 0),
        ("sub-01_ses-2_FLAIR", "sub-01_ses-2", 3),
        ("sub-01_ses-2_acq-3D_run-1_T2w", "sub-01_ses-2", 2),
        ("sub-01_ce-gadolinium_T1w", "sub-01", 1),
        ("sub-01_ses-2_acq-mprage_ce-dotarem_run-2_T1w", "sub-01_ses-2", 1),
        ("sub-01_space-T1w_FLAIR", "sub-01", 3),
        ("sub-01_0002", "sub-01", 2),
        ("sub-01_t1ce", "sub-01", 1),
        ("sub-01-t1ce", "sub-01", 1),
    ],
)
def test_names_in_use_are_understood(stem, case, channel):
    assert parse_name(stem, FOUR) == FileName(case, channel)


@pytest.mark.parametrize("alias", [alias for names in ALIASES for alias in names])
def test_every_alias_is_found_in_any_case(alias):
    expected = FileName("case", FOUR.channel(alias))
    assert {parse_name(f"case_{spelt}", FOUR) for spelt in (alias, alias.upper(), alias.title())} == {expected}


@pytest.mark.parametrize(
    ("stem", "says"),
    [
        ("case_0004", "no channel _0004: its channels are _0000 T1, _0001 T1ce, _0002 T2, _0003 FLAIR"),
        ("case_FLIAR", "did you mean 'FLAIR'?"),
        ("case_t1_cee", "did you mean 'T1ce'?"),
        ("case_t1gf", "did you mean 't1gd'?"),
        ("case", "_0000 T1, _0001 T1ce, _0002 T2, _0003 FLAIR"),
        ("case_001", "ends in no modality: it"),
        ("_0001", "ends in no modality"),
        ("", "ends in no modality"),
        ("flair_case", "ends in no modality"),
        ("case_t1_brain", "ends in no modality"),
        ("sub-01_bold", "ends in no modality"),
        ("sub-01_ce-gadolinium_FLAIR", "ends in no modality"),
    ],
)
def test_a_name_that_fits_nothing_is_refused_with_the_nearest(stem, says):
    with pytest.raises(CaseError, match=re.escape(says)):
        parse_name(stem, FOUR)


@pytest.mark.parametrize(
    ("stem", "says"),
    [
        ("x_t1-t2", "two modalities, 't1' and 't2'"),
        ("x_t1_t2_flair", "two modalities, 't1' and 't2_flair'"),
        ("t1_t1ce", "two modalities"),
        ("t1_to_flair", "two modalities, 't1' and 'flair'"),
        ("T1_patient_flair", "two modalities"),
        ("x_T1_0000", "both a modality, 'T1', and an index, _0000"),
        ("x_t2_flair_0002", "both a modality, 't2_flair', and an index"),
        ("x_dwi_to_flair", "'to' before 'flair' is unclear"),
        ("x_seg_t1", "'seg' before 't1' is unclear"),
        ("x_gd_t1", "'gd' before 't1' is unclear"),
        ("x_post-T1w", "'post' before 'T1w' is unclear"),
        ("sub-01_acq-gd_T1w", "'acq-gd' before 'T1w' is unclear: a contrast agent is written as ce-gadolinium"),
        ("sub-01_acq-mprageGd3D_T1w", "'acq-mprageGd3D' before 'T1w' is unclear"),
        ("sub-01_desc-t1ce_T1w", "'desc-t1ce' before 'T1w' is unclear"),
        ("sub-01_acq-flair_T2w", "'acq-flair' before 'T2w' is unclear"),
        ("sub-01_ce-none_T1w", "'ce-none' is unclear"),
        ("sub-01_T1w_FLAIR", "two modalities"),
    ],
)
def test_a_name_that_can_mean_two_things_is_refused(stem, says):
    with pytest.raises(CaseError, match=re.escape(says)):
        parse_name(stem, FOUR)


def test_a_modality_that_the_model_lacks_is_not_taken_for_another():
    two = Modalities(("T1", "T2"))
    for stem in ("x_t1ce", "x_t1_ce", "x_t2_flair", "x_flair", "sub-01_ce-gd_T1w"):
        with pytest.raises(CaseError, match="ends in no modality"):
            parse_name(stem, two)
    with pytest.raises(CaseError, match="two modalities, 'flair' and 't2'"):
        parse_name("x_flair_t2", two)


def test_an_alias_of_two_channels_is_refused_but_their_names_are_not():
    modalities = Modalities(("T1", "T1native", "CT"))
    with pytest.raises(CaseError, match=r"'t1w' fits several modalities, \['T1', 'T1native'\]"):
        parse_name("x_t1w", modalities)
    assert parse_name("x_t1native", modalities).channel == 1


def test_channels_of_any_name_are_found():
    modalities = Modalities(("CT", "PET", "ADC map", "b0.5"))
    for name, channel in {"ct": 0, "Pet": 1, "adc_map": 2, "ADC-MAP": 2, "b0.5": 3}.items():
        assert parse_name(f"x_{name}", modalities) == FileName("x", channel)


def test_channels_called_like_indices_are_found_only_where_both_agree():
    same, swapped = Modalities(("0000", "0001")), Modalities(("0001", "0000"))
    assert parse_name("x_0001", same) == FileName("x", 1)
    with pytest.raises(CaseError, match="fits 0000 of case 'x' or 0001 of case 'x'"):
        parse_name("x_0001", swapped)
    unnamed = Modalities.from_dataset_json({"channel_names": {"0": "MRI", "1": "MRI"}})
    assert parse_name("x_0001", unnamed) == FileName("x", 1)
    with pytest.raises(CaseError, match="of case 'x' or"):
        parse_name("x_MRI_0001", unnamed)


def test_numbers_in_a_name_are_no_modalities():
    assert parse_name("x_1_0000", Modalities(("1", "2"))) == FileName("x_1", 0)


@pytest.mark.parametrize(
    "stem", ["seg", "x_seg", "x-SEG", "BraTS-GLI-00000-000-seg", "x_t1_mask", "sub-01_dseg", "x_label"]
)
def test_label_maps_are_told_from_images(stem):
    assert is_label_name(stem, FOUR)


@pytest.mark.parametrize("stem", ["x_t1", "seg_t1", "x_segx", "mask-01", ""])
def test_other_names_are_not_those_of_label_maps(stem):
    assert not is_label_name(stem, FOUR)


def test_a_channel_may_be_called_like_a_label_map():
    modalities = Modalities(("T1", "lesion"))
    assert not is_label_name("x_lesion", modalities)
    assert parse_name("x_lesion", modalities) == FileName("x", 1)
