"""Options of `mstkd benchmark` and `mstkd report`: what is wrong usage, and what a dry run prints."""

import argparse
from pathlib import Path

import pytest

from nnunetv2_mstkd.benchmark.published.published_values import all_published
from nnunetv2_mstkd.cli import benchmark, dry_run, report
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.evaluation.empty_policy import POLICIES

VALIDATION = ("-d", "901", "-c", "3d_fullres", "-tr", "nnUNetTrainer")
TEST_SET = ("-i", "images", "-l", "labels", "-m", "model")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name models and cases by -d DATASET -c CONFIGURATION -tr TRAINER, or by -i, -l and -m"),
        (VALIDATION[:4], "name models and cases by -d"),
        (TEST_SET[:4], "name models and cases by -d"),
        ((*VALIDATION, "-i", "images"), "-d, -c, -tr, -p, --results score validation cases; -i, -l, -m a test set"),
        ((*TEST_SET, "--results", "results"), "-d, -c, -tr, -p, --results score validation cases"),
        ((*TEST_SET, "--parts", "2"), "--parts cuts the work: say with --part which of the parts this is"),
        ((*TEST_SET, "--parts", "2", "--part", "2"), "--part must be 0 to 1, below --parts; given: 2"),
        ((*TEST_SET, "--part", "1"), "--part must be 0 to 0, below --parts; given: 1"),
        ((*TEST_SET, "--parts", "0"), "argument --parts: must be a whole number from 1 on; given: 0"),
        ((*TEST_SET, "--tolerance", "0"), "argument --tolerance: must be a number above 0; given: 0"),
        ((*TEST_SET, "--tolerance", "inf"), "argument --tolerance: must be a number above 0; given: inf"),
        ((*TEST_SET, "-step_size", "2"), "argument -step_size: must be above 0 and at most 1, in patches; given: 2"),
        ((*TEST_SET, "--subsets-per-forward", "-1"), "must be a whole number from 0 on; given: -1"),
        ((*TEST_SET, "--policy", "kind"), "argument --policy: invalid choice: 'kind'"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(options, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["benchmark", "-o", "output", *options])
    assert ended.value.code == 2
    assert "mstkd benchmark: error: " in (error := capsys.readouterr().err)
    assert says in error


def test_policies_and_data_sets_are_those_that_there_are():
    assert set(report.POLICIES) == set(POLICIES)
    assert set(report.PUBLISHED) == {value.dataset for value in all_published()}


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    benchmark.configure(parser)
    return parser.parse_args(["-o", "out", *options])


class NoWork:
    """A plan without trainings."""

    work = ()


@pytest.mark.parametrize(
    ("options", "not_typed"),
    [
        (("-p", "Large", "Small", "-f", "0", "1"), ()),
        (("-device", "cpu", "-step_size", "0.75", "--disable_tta", "--tolerance", "2"), ()),
        (("--subsets", "T1", "T2,FLAIR", "--lesion-wise", "--keep-predictions", "--trust-checkpoint"), ()),
        (("--results", "/a", "/b"), ("--parts", "4", "--dry-run", "--baseline", "nnU-Net", "--policy", "nan")),
    ],
)
def test_a_command_is_typed_as_it_was_given(options, not_typed):
    typed = dry_run._typed(parsed(*VALIDATION, *options, *not_typed), NoWork())
    assert typed == ["mstkd", "benchmark", "-o", str(Path("out").absolute()), *VALIDATION, *options]


def test_relative_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = dry_run._typed(parsed("-i", "images", "-l", "labels", "-m", "A=model", "other"), NoWork())
    assert typed[3] == str(tmp_path / "out")
    assert typed[4:] == [
        *("-i", str(tmp_path / "images"), "-l", str(tmp_path / "labels")),
        *("-m", f"A={tmp_path / 'model'}", str(tmp_path / "other")),
    ]


def test_the_options_of_the_report_are_given_to_the_report():
    args = parsed(*TEST_SET, "--baseline", "nnU-Net", "--policy", "nan", "--hd95", "pooled", "--write-confidence")
    assert report.report_options(args) == [
        *("--baseline", "nnU-Net", "--policy", "nan", "--hd95", "pooled", "--write-confidence")
    ]
    assert report.report_options(parsed(*TEST_SET)) == []
