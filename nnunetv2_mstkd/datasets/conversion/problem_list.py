"""Problems and warnings of many cases as lines for people (L1')."""

import re
from collections.abc import Iterable, Iterator

from nnunetv2_mstkd.cases.problem import Problem, printable
from nnunetv2_mstkd.datasets.conversion.counted import counted

TOGETHER = 4  # cases of one kind from which on they share a line


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield all of them: one a line, but what many cases have alike once, with the names of these cases.

    Example:
        >>> list(problem_lines([Problem(case, f"{case}_t1.nii is empty") for case in ("a", "b", "c", "d")]))
        ['4 cases: {case}_t1.nii is empty: a, b, c, d']
    """
    kinds: dict[str, list[Problem]] = {}
    for problem in dict.fromkeys(problems):
        kinds.setdefault(_kind(problem), []).append(problem)
    for kind, alike in kinds.items():
        if len(alike) < TOGETHER:
            yield from map(str, alike)
        else:
            names = ", ".join(problem.case for problem in alike)
            yield printable(f"{counted(len(alike), 'case')}: {kind}: {names}")


def _kind(problem: Problem) -> str:
    """Return the message without the name of the case, unless that is a number, which may stand for another thing."""
    if not problem.case or problem.case.isdecimal():
        return problem.message
    # a function, as the name's backslashes and those of a template mean nothing
    return re.sub(rf"(?<![^\W_]){re.escape(problem.case)}(?![^\W_])", lambda _: "{case}", problem.message)
