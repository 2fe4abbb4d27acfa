"""How it was run."""

import shlex
from pathlib import Path

from nnunetv2_mstkd.benchmark.report.run_facts import report_command, run_facts, training_rows
from nnunetv2_mstkd.benchmark.report_options import ReportOptions


def test_the_command_can_be_typed():
    options = ReportOptions(baseline="it's <mine>", hd95="pooled", published="FeTS2024")
    words = shlex.split(report_command(Path("my folder"), options))
    assert words[:3] == ["mstkd", "report", "my folder"]
    assert words[words.index("--baseline") + 1] == "it's <mine>"
    assert (words[words.index("--hd95") + 1], words[words.index("--published") + 1]) == ("pooled", "FeTS2024")


def test_versions_hardware_and_hashes_are_told(content):
    facts = dict(run_facts(content.summary))
    assert "torch 2.8.0" in facts["Versions, prediction"]
    assert "a processor" in facts["Hardware"]
    assert facts["Scored"] == "2026-01-01 12:00 UTC to 2026-01-01 12:00 UTC"
    assert facts["Time, all cases"].startswith("prepare 18.0 s")  # 6 cases of 3 models, 1 s each
    row = training_rows(content.summary)[0]
    assert row.weights == "000" + "a" * 9
    assert row.inference.startswith("device cpu, engine pytorch, step size 0.5, mirroring no")
