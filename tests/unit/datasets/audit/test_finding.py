"""Findings, as they are printed."""

from nnunetv2_mstkd.datasets.audit.finding import Finding, some_of, tally


def test_a_finding_is_one_line():
    assert str(Finding("note", "channels", "not judged:\n  ADC")) == "note: channels: not judged: ADC"


def test_findings_are_counted_by_severity():
    findings = [Finding("warning", "", ""), Finding("note", "", ""), Finding("note", "", "")]
    assert tally(findings) == "0 errors, 1 warning, 2 notes"


def test_three_names_are_shown():
    assert some_of(["a", "b", "c"]) == "a, b, c"
    assert some_of(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
