"""Options of `mstkd benchmark` and `mstkd report`: what is wrong usage, and what a dry run prints."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from benchmark_records import NNUNET, MadeUpBenchmark, trainings, write_benchmark

from nnunetv2_mstkd.benchmark.published.published_values import all_published
from nnunetv2_mstkd.cases.problem import Problem
from nnunetv2_mstkd.cli import benchmark, dry_run, report
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.errors import BenchmarkError
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
        ((*TEST_SET, "--no-report", "--write-confidence"), "--write-confidence would do nothing with --no-report"),
        (
            (*TEST_SET, "--no-report", "--baseline", "A", "--policy", "nan", "--hd95", "pooled"),
            "--baseline, --policy, --hd95 would do nothing with --no-report",
        ),
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
        (("-device", "cpu", "-step_size", "0.75", "--disable_tta", "--tolerance", "2.0"), ()),
        (("-step_size", "0.3333333333333333"), ()),
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
    options = ("--baseline", "nnU-Net", "--policy", "nan", "--hd95", "pooled", "--no-viewer", "--write-confidence")
    assert report.report_options(parsed(*TEST_SET, *options)) == list(options)
    assert report.report_options(parsed(*TEST_SET)) == []


@pytest.fixture
def failed_case(monkeypatch):
    """A benchmark in which a case could not be scored."""
    monkeypatch.setattr(benchmark, "_benchmark", lambda args, say: [Problem("patient_3", "has no reference")])


def test_a_report_that_fails_hides_no_case(failed_case, monkeypatch, capsys):
    def fail(*_):
        raise BenchmarkError("There is no model 'Ours'")

    monkeypatch.setattr(benchmark, "_report", fail)
    assert main(["benchmark", "-o", "output", *TEST_SET]) == 1
    error = capsys.readouterr().err
    assert "1 case could not be scored" in error
    assert "patient_3: has no reference" in error
    assert "There is no report, either: There is no model 'Ours'" in error


def test_failed_cases_are_told_after_the_report(failed_case, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "_report", lambda args, say: say("report: here"))
    assert main(["benchmark", "-o", "output", *TEST_SET]) == 1
    assert capsys.readouterr().out == "report: here\n"


@pytest.mark.parametrize(("options", "viewer"), [((), True), (("--no-viewer",), False)])
def test_a_page_can_be_without_patients(tmp_path, monkeypatch, options, viewer):
    folder, asked = write_benchmark(tmp_path, MadeUpBenchmark(models=(NNUNET,), cases=1)), []
    monkeypatch.setattr("nnunetv2_mstkd.benchmark.report.write.write_report", lambda _, given: asked.append(given))
    assert main(["report", str(folder), *options]) == 0
    assert [given.viewer for given in asked] == [viewer]


def test_what_a_report_leaves_out_is_said(tmp_path, monkeypatch, capsys):
    made_up = MadeUpBenchmark(models=(NNUNET,), cases=3)
    folder = write_benchmark(tmp_path, made_up)
    replace(next(trainings(made_up)), cases=("case_000",)).write(folder)
    monkeypatch.setattr("nnunetv2_mstkd.benchmark.report.write.write_report", lambda *_: "page")
    assert main(["report", str(folder)]) == 0
    assert "2 records left out, of other weights or plans or of cases" in capsys.readouterr().out
