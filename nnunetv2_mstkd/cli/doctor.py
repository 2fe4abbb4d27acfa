"""`mstkd doctor`: prints what the checks of nnunetv2_mstkd.doctor found (L4)."""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunetv2_mstkd.doctor.finding import Finding

_MARKS = {"ok": "[ ok ]", "warning": "[warn]", "problem": "[FAIL]"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")


def run(args: argparse.Namespace) -> int:
    """Check and print; return 1 if there is a problem, warnings do not count."""
    from nnunetv2_mstkd.doctor import diagnose, is_healthy

    with contextlib.redirect_stdout(sys.stderr):  # nnU-Net prints while it searches; stdout is for the findings
        findings = diagnose()
    healthy = is_healthy(findings)
    print(_as_json(findings, healthy) if args.json else _as_text(findings, healthy))
    return 0 if healthy else 1


def _as_json(findings: Sequence["Finding"], healthy: bool) -> str:
    return json.dumps({"ok": healthy, "findings": [dataclasses.asdict(finding) for finding in findings]}, indent=2)


def _as_text(findings: Sequence["Finding"], healthy: bool) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.status]} {finding.name}: {finding.detail}")
        if finding.mend:
            lines.append(f"       mend: {finding.mend}")
    count = {status: sum(finding.status == status for finding in findings) for status in _MARKS}
    verdict = "all well" if healthy else "something must be mended"
    return "\n".join([*lines, f"{count['problem']} problem(s), {count['warning']} warning(s): {verdict}"])
