"""What could not be judged by the images, so that silence is no praise (L1')."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nnunetv2_mstkd.datasets.audit.assignment import MIN_CASES, Order, Roles, uncompared
from nnunetv2_mstkd.datasets.audit.contrast import Contrast, Features
from nnunetv2_mstkd.datasets.audit.finding import Finding


def too_few_cases(
    subject: str,
    names: Mapping[int, str],
    cases: Sequence[Mapping[int, Features]],
    declared: Roles,
    orders: Sequence[Order],
    contrasts: Sequence[Contrast],
) -> Iterator[Finding]:
    """Yield which things, of those whose name is known, were compared in too few cases; one note at most.

    Args:
        subject: of the note.
        names: thing -> as people call it.
        cases: thing -> its features.
        declared: thing -> role, each role once.
        orders: between the roles.
        contrasts: of the cases, with what could not be told of them.
    """
    few = uncompared(cases, declared, orders)
    if not few:
        return
    pairs = len(declared) * (len(declared) - 1) // 2
    if len(few) == pairs:
        told = f"not judged as a whole: {', '.join(names[thing] for thing in declared)}"
    else:
        told = f"not told apart as a whole: {', '.join(f'{names[a]} from {names[b]}' for a, b in few)}"
    told += f". This takes {MIN_CASES} cases that show both, and there are {max(few.values())} of {len(cases)}"
    reasons = Counter(contrast.untold for contrast in contrasts if contrast.untold)
    because = "; ".join(f"{reason}: {count}" for reason, count in reasons.most_common())
    yield Finding("note", subject, f"{told}{f' ({because})' if because else ''}")
