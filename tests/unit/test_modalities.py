"""Modality names, aliases and subsets."""

import re

import pytest

from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.modalities import Modalities, ModalitySubset
from nnunetv2_mstkd.sequence_name import ALIASES, known_sequence

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))


def test_subsets_are_all_of_them_by_size_then_by_channel():
    assert [str(subset) for subset in FOUR.subsets()] == [
        "T1", "T1ce", "T2", "FLAIR",
        "T1+T1ce", "T1+T2", "T1+FLAIR", "T1ce+T2", "T1ce+FLAIR", "T2+FLAIR",
        "T1+T1ce+T2", "T1+T1ce+FLAIR", "T1+T2+FLAIR", "T1ce+T2+FLAIR",
        "T1+T1ce+T2+FLAIR",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [2, 3, 5])
def test_there_are_two_to_the_m_minus_one_subsets(count):
    subsets = Modalities(tuple("ABCDE"[:count])).subsets()
    assert len(set(subsets)) == len(subsets) == 2**count - 1


def test_a_code_has_a_bit_for_each_channel():
    assert FOUR.subset_from_code(0b1010).channels == (1, 3)
    assert {FOUR.subset_from_code(code) for code in range(1, 16)} == set(FOUR.subsets())


@pytest.mark.parametrize("code", [0, 16])
def test_a_code_without_a_channel_is_refused(code):
    with pytest.raises(ModalityError, match="must not be empty"):
        FOUR.subset_from_code(code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("T1ce,FLAIR", "T1ce+FLAIR"),
        ("FLAIR,T1ce", "T1ce+FLAIR"),
        ("t1gd + t2f", "T1ce+FLAIR"),
        ("T1C,t2-flair", "T1ce+FLAIR"),
        (" t1n ", "T1"),
        ("t2w,", "T2"),
        ("0101", "T1ce+FLAIR"),
        ("1000", "T1"),
        ("1111", "T1+T1ce+T2+FLAIR"),
    ],
)
def test_a_user_may_type_names_aliases_or_digits(text, expected):
    assert str(FOUR.subset(text)) == expected


@pytest.mark.parametrize("text", ["", " , ", "+", "0000", "010", "01010", "T1x", "T1,T1", "T1ce,t1gd", "2", "T1 T2"])
def test_what_cannot_be_meant_is_refused_with_the_choices(text):
    choices = "T1 (channel 0), T1ce (channel 1), T2 (channel 2), FLAIR (channel 3)"
    with pytest.raises(ModalityError, match=re.escape(choices)):
        FOUR.subset(text)


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(ModalityError, match="Did you mean 'FLAIR'"):
        FOUR.subset("FLIAR")


def test_a_misspelt_alias_of_the_model_gets_a_suggestion():
    assert FOUR.nearest("t1gf") == "t1gd"
    assert FOUR.nearest("Flaire") == "FLAIR"
    assert FOUR.nearest("CT") is None
    assert Modalities(("T1", "T2")).nearest("flaire") is None


def test_a_name_fits_the_most_exact_spelling():
    modalities = Modalities(("T1", "t1", "T1-N"))
    assert [modalities.fitting(name) for name in ("t1", "t1n", "T1w", "T2")] == [(1,), (2,), (0, 1, 2), ()]


def test_well_known_sequences_are_told_whatever_the_model_has():
    assert [known_sequence(name) for name in ("t1_gd", "FLAIR", "PET")] == ["T1ce", "FLAIR", None]


@pytest.mark.parametrize("names", ALIASES)
def test_every_alias_finds_every_spelling_of_its_sequence(names):
    for own in names:
        modalities = Modalities(("CT", own))
        for typed in names:
            assert modalities.channel(typed.upper()) == 1


def test_no_alias_stands_for_two_sequences():
    flat = [alias.lower() for names in ALIASES for alias in names]
    assert len(set(flat)) == len(flat)


def test_the_datasets_own_name_wins_over_an_alias():
    modalities = Modalities(("t1gd", "t1c"))  # two aliases of one sequence
    assert modalities.channel("t1c") == 1
    with pytest.raises(ModalityError, match="fits several"):
        modalities.channel("T1ce")


def test_names_that_look_like_digits_are_names():
    modalities = Modalities(("0", "1"))
    assert modalities.subset("1").channels == (1,)
    assert modalities.subset("01").channels == (1,)


def test_channels_come_in_the_order_of_their_numbers():
    channels = {str(i): f"m{i}" for i in reversed(range(12))}
    assert Modalities.from_dataset_json({"channel_names": channels}).names == tuple(f"m{i}" for i in range(12))


def test_repeated_names_get_their_channel():
    modalities = Modalities.from_dataset_json({"channel_names": {"0": "MRI", "1": "CT", "2": "MRI"}})
    assert modalities.names == ("MRI_0000", "CT", "MRI_0002")


def test_the_old_key_of_dataset_json_is_read():
    assert Modalities.from_dataset_json({"modality": {"0": "CT", "1": "PET"}}).names == ("CT", "PET")


@pytest.mark.parametrize("dataset_json", [{}, {"channel_names": {}}])
def test_a_dataset_without_names_is_refused(dataset_json):
    with pytest.raises(ModalityError, match="channel_names"):
        Modalities.from_dataset_json(dataset_json)


@pytest.mark.parametrize("names", [(), ("T1",), ("T1", "T1")])
def test_fewer_than_two_different_modalities_are_refused(names):
    with pytest.raises(ModalityError):
        Modalities(names)


@pytest.mark.parametrize("name", ["T1+C", "+", "all"])
def test_names_that_would_make_subsets_ambiguous_are_refused(name):
    with pytest.raises(ModalityError, match=r"cannot be called .*Rename the channel in dataset\.json"):
        Modalities.from_dataset_json({"channel_names": {"0": "A", "1": name}})


def test_a_subset_knows_what_it_has_and_lacks():
    subset = FOUR.subset("T1ce,FLAIR")
    assert subset.present == (False, True, False, True)
    assert subset.names == ("T1ce", "FLAIR")
    assert subset.absent_names == ("T1", "T2")
    assert len(subset) == 2
    assert FOUR.all.absent_names == ()


def test_supersets():
    assert FOUR.all.issuperset(FOUR.subset("T1"))
    assert FOUR.subset("T1").issuperset(FOUR.subset("T1"))
    assert not FOUR.subset("T1,T2").issuperset(FOUR.subset("T1,FLAIR"))


def test_a_subset_of_another_length_is_refused():
    with pytest.raises(ModalityError, match="3 flags for 4 channels"):
        ModalitySubset(FOUR, (True, True, True))


def test_channel_files_are_listed_as_nnunet_names_them():
    assert FOUR.channel_files() == "_0000 T1, _0001 T1ce, _0002 T2, _0003 FLAIR"
    assert FOUR.channel_files([False, True, False, True]) == "_0001 T1ce, _0003 FLAIR"


# names as a file lists them ------------------------------------------------------------------------------------------

AWKWARD = Modalities(("DWI (b=0,1000)", "01", "T1ce"))


@pytest.mark.parametrize("names", [["DWI (b=0,1000)"], ["01"], ["01", "DWI (b=0,1000)"], list(AWKWARD)])
def test_listed_names_are_taken_as_they_are(names):
    """No comma is a separator, and no digits are flags: "01" would be the second of two channels."""
    assert set(AWKWARD.subset_of(names).names) == set(names)


@pytest.mark.parametrize("subset", AWKWARD.subsets(), ids=str)
def test_every_subset_is_found_again_from_its_names(subset):
    assert AWKWARD.subset_of(subset.names) == AWKWARD.subset_of(iter(subset.names)) == subset


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["t1gd"], "Unknown modality 't1gd'"),
        (["T1ce,01"], "Unknown modality 'T1ce,01'"),
        (["001"], "Unknown modality '001'"),
        (["T1ce", "01", "T1ce"], r"\['T1ce', '01', 'T1ce'\] names a modality twice"),
        ([], "No modality is named"),
        ([1], "1 is no name of a modality"),
        ([None], "None is no name"),
        ([["T1ce"]], r"\['T1ce'\] is no name"),
        ("T1ce", "'T1ce' is no list of names"),
        (b"T1ce", "b'T1ce' is no list of names"),
        (None, "None is no list of names"),
        (3, "3 is no list of names"),
        ({"T1ce": False}, r"\{'T1ce': False\} is no list of names"),
    ],
)
def test_what_is_no_list_of_the_datasets_own_names_is_refused(names, message):
    with pytest.raises(ModalityError, match=rf"^{message}.* The modalities are \['DWI \(b=0,1000\)', '01', 'T1ce'\]"):
        AWKWARD.subset_of(names)
