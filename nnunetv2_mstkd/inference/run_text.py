"""What a run over a folder says of what it found, before it predicts (L3)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nnunetv2_mstkd.cases.image_check import CaseCheck
from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.modalities import Modalities

MAX_NAMES = 10  # listed of what is left alone


def found_lines(checks: Sequence[CaseCheck], ignored: Sequence[Path], modalities: Modalities) -> Iterator[str]:
    """Yield the sound cases with what they have and what was noticed, and the files that are no images."""
    for check in checks:
        yield f"  {check.case.name}: {check.case.subset(modalities)}"
        yield from (f"    warning: {warning}" for warning in check.warnings)
    if ignored:
        names = sorted({file.name for file in ignored})
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        yield printable(f"  no images, left alone: {', '.join(names[:MAX_NAMES])}{more}")


def refusal(problems: Sequence[Problem]) -> str:
    """Return why nothing is predicted, and what to do."""
    lines = "\n".join(f"  {problem}" for problem in problems)
    return (
        f"nothing was predicted, because of {len(problems)} problem{'s' if len(problems) > 1 else ''}:\n{lines}\n"
        f"Mend the input, or predict the other cases with --on-error skip"
    )
