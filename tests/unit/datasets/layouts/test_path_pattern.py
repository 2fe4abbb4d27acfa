"""Patterns of paths say what stands where."""

import pytest

from nnunetv2_mstkd.datasets.layouts.path_pattern import PathPattern, names_in

PLACEHOLDERS = {"case": "[^/]+?", "modality": "t1|t1ce"}


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("{case}_{modality}", "a_t1ce", {"case": "a", "modality": "t1ce"}),
        ("{case}/{case}_{modality}", "a/a_t1", {"case": "a", "modality": "t1"}),
        ("{case}/{case}_{modality}", "a/b_t1", None),  # a placeholder that comes again is the same
        ("**/{case}_{modality}", "a_t1", {"case": "a", "modality": "t1"}),
        ("**/{case}_{modality}", "x/y/a_t1", {"case": "a", "modality": "t1"}),
        ("*/{case}_{modality}", "x/a_t1", {"case": "a", "modality": "t1"}),
        ("*/{case}_{modality}", "x/y/a_t1", None),
        ("x/**/{case}_{modality}", "x/a_t1", {"case": "a", "modality": "t1"}),
        ("{case}_{modality}", "x/a_t1", None),
        ("{case}.{modality}", "a_t1", None),
    ],
)
def test_a_path_is_read(template, path, values):
    match = PathPattern(template, PLACEHOLDERS).match(path)
    assert (match and match.values) == values


def test_wildcards_say_where_a_file_lies():
    pattern = PathPattern("**/scan*/{case}_{modality}", PLACEHOLDERS)
    assert pattern.match("a/b/scan7/c_t1").wild == ("a/b/", "7")


def test_a_wildcard_in_a_files_name_says_nothing_of_where_it_lies():
    pattern = PathPattern("scan*/{case}/*_{modality}*", PLACEHOLDERS)
    assert pattern.match("scan7/c/3_t1_brain").wild == ("7",)


def test_a_wildcard_takes_as_little_as_it_can():
    pattern = PathPattern("{case}/*_{modality}", {"case": "[^/]+?", "modality": "ce_t1|t1"})
    assert pattern.match("c/4_ce_t1").values["modality"] == "ce_t1"


def test_case_is_ignored_on_request_only():
    assert PathPattern("{case}_{modality}", PLACEHOLDERS).match("a_T1") is None
    assert PathPattern("{case}_{modality}", PLACEHOLDERS, ignore_case=True).match("a_T1").values["modality"] == "T1"


def test_placeholders_are_listed_as_often_as_they_come():
    assert names_in("**/{case}/{case}_{modality}*") == ["case", "case", "modality"]
