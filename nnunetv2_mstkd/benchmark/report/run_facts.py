"""How the benchmark was run, as rows to read (L2)."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.benchmark.report.number_text import shown_count
from nnunetv2_mstkd.benchmark.report_options import ReportOptions

HASH_LENGTH = 12  # of a checksum, as shown; the whole is in summary.json


@dataclass(frozen=True)
class TrainingRow:
    """One training, as shown: `weights_whole` has the whole checksums."""

    title: str
    made_by: str
    parameters: str
    folds: str
    weights: str
    weights_whole: str
    inference: str


def run_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of what holds for the whole benchmark."""
    how = summary["how_run"]
    trainings = how["trainings"]
    kind = "larger of the two directed 95th percentiles" if summary["hd95"] == "max" else "both directions pooled"
    seconds = ", ".join(f"{step} {_duration(value)}" for step, value in how["seconds"].items())
    return [
        ("Data", f"{summary['dataset']}, {summary['protocol']}, {shown_count(summary['num_cases'], 'patient')}"),
        ("Scored", f"{_time(how['first_finished'])} to {_time(how['last_finished'])}"),
        ("Time, all cases", seconds),
        ("Hardware", _distinct(_listed(run["hardware"]) for run in how["runs"])),
        ("Versions, prediction", _distinct(_listed(run["versions"]) for run in how["runs"])),
        ("Versions, this report", _listed(how["versions_of_summary"])),
        ("HD95", f"{kind}; surface voxels, mm"),
        ("NSD", f"tolerance {summary['tolerance_mm']:g} mm"),
        ("Empty masks", f"policy {summary['policy']}"),
        ("Plans (SHA-256)", _distinct(training["plans_sha256"][:HASH_LENGTH] for training in trainings)),
    ]


def training_rows(summary: Mapping[str, Any]) -> list[TrainingRow]:
    """Return a row for each training."""
    return [_row(training) for training in summary["how_run"]["trainings"]]


def report_command(folder: Path, options: ReportOptions) -> str:
    """Return the command that makes the report again; which models were scored is in the table of trainings."""
    given = {"--baseline": options.baseline, "--policy": options.policy, "--hd95": options.hd95}
    words = [word for option, value in given.items() if value is not None for word in (option, value)]
    if options.published is not None:
        words += ["--published", options.published]
    words += [] if options.viewer else ["--no-viewer"]
    return shlex.join(["mstkd", "report", str(folder), *words])


def _row(training: Mapping[str, Any]) -> TrainingRow:
    folds = training["folds"]
    needs = f"; for {training['needs']} alone" if training["needs"] else ""
    hashes = training["weights_sha256"]
    return TrainingRow(
        title=training["title"],
        made_by=f"{training['trainer']}, {training['plans']}, {training['configuration']}{needs}",
        parameters=f"{training['parameters'] / 1e6:.2f} M",
        folds=f"{training['repeat']}; {', '.join(folds)}",
        weights=", ".join(value[:HASH_LENGTH] for value in hashes.values()),
        weights_whole=", ".join(f"fold {fold}: {value}" for fold, value in hashes.items()),
        inference=_listed({key.replace("_", " "): value for key, value in training["inference"].items()}),
    )


def _listed(content: Mapping[str, Any]) -> str:
    shown = {key: value for key, value in content.items() if value is not None}
    return ", ".join(f"{key} {_word(value)}" for key, value in shown.items())


def _time(text: str) -> str:
    """Return "2026-01-01 12:00 UTC" of a time in ISO 8601."""
    return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _distinct(texts: Any) -> str:
    return "; ".join(dict.fromkeys(texts))


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
