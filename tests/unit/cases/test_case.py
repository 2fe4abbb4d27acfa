"""Cases and what they consist of."""

from pathlib import Path

import pytest

from nnunetv2_mstkd.cases.case import Case, ChannelSource
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))


@pytest.fixture
def case():
    return Case("p", {3: ChannelSource(Path("flair")), 0: ChannelSource(Path("t1")), 2: ChannelSource(Path("t2"))})


def test_channels_are_in_their_order_however_they_are_given(case):
    assert list(case.sources) == [0, 2, 3]
    assert case.files == (Path("t1"), Path("t2"), Path("flair"))
    assert str(case.subset(FOUR)) == "T1+T2+FLAIR"


def test_a_4d_file_is_one_file():
    case = Case("p", {0: ChannelSource(Path("all"), 1), 1: ChannelSource(Path("all"), 0)})
    assert case.files == (Path("all"),)
    assert case.by_file() == {Path("all"): dict(case.sources)}


def test_each_file_has_its_channels(case):
    assert case.by_file() == {source.file: {channel: source} for channel, source in case.sources.items()}


def test_a_restriction_leaves_files_out_and_adds_none(case):
    restricted = case.restricted(FOUR.subset("T1ce,FLAIR,T2"))
    assert restricted.sources == {2: ChannelSource(Path("t2")), 3: ChannelSource(Path("flair"))}
    assert len(case.sources) == 3


def test_a_restriction_to_nothing_is_refused(case):
    with pytest.raises(CaseError, match=r"p: has T1\+T2\+FLAIR, and nothing of T1ce"):
        case.restricted(FOUR.subset("T1ce"))


def test_a_case_without_channels_is_refused():
    with pytest.raises(CaseError, match="p: no channel"):
        Case("p", {})
