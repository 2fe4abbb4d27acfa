"""What scores depend on."""

from nnunetv2_mstkd.benchmark.identity import changes, read_record, shown_by
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2"))


def test_changes_are_told_in_words():
    now = {"weights_sha256": {"0": "a"}, "plans_sha256": "p", "reference": "r"}
    assert changes(now, now) == []
    assert changes({**now, "weights_sha256": {"0": "b"}}, now) == ["checkpoint"]
    assert changes({"plans_sha256": "q"}, now) == ["checkpoint", "plans", "reference"]


def test_more_than_is_asked_for_is_no_change():
    assert changes({"a": 1, "b": 2}, {"a": 1}) == []


def test_a_case_shows_the_subsets_of_what_it_has():
    assert list(map(str, shown_by(["T1", "T2"], MODALITIES.subsets()))) == ["T1", "T2", "T1+T2"]


def test_a_damaged_record_counts_as_none(tmp_path):
    assert read_record(tmp_path, "case") is None
    (tmp_path / "case.json").write_text("{")
    assert read_record(tmp_path, "case") is None
