"""What an audit finds (L1')."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from nnunetv2_mstkd.cases.problem import printable
from nnunetv2_mstkd.datasets.conversion.counted import counted

# error: training fails, or is wrong without a word. warning: evidence that something is, or what one should know. note:
# what was not looked at, or does no harm.
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the worst first
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        severity: "error", "warning" or "note".
        subject: what it is about: "labels", "channels", "splits", the name of a case.
        message: what was found, with the numbers, and what to do about it.
    """

    severity: Severity
    subject: str
    message: str

    def __str__(self) -> str:
        """Return one line that can be printed."""
        return printable(f"{self.severity}: {self.subject}: {self.message}")


def tally(findings: Sequence[Finding]) -> str:
    """Return how many there are of each severity: "0 errors, 1 warning, 2 notes"."""
    return ", ".join(counted(sum(f.severity == severity for f in findings), severity) for severity in SEVERITIES)


def some_of(names: Sequence[str]) -> str:
    """Return the first names and how many more there are: "a, b, c and 4 more"."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
