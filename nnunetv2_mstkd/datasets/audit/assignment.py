"""Which of several things plays which role, as measured in many cases (L1').

Channels and sequences, values and tissues: in both, some feature is greater in one role than in another. Every way to
deal out the roles is scored by how well these orders hold; the way that was declared needs to be clearly worse.
"""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunetv2_mstkd.datasets.audit.contrast import Features

MIN_CASES = 3  # below, chance says as much
MIN_GAIN = 0.5  # in orders that hold fully, of the mean over cases
MIN_SHARE = 2 / 3  # of the cases in which another way is better than the declared one
_EQUAL = 0.35  # ways this close to the best are as good: the one that changes least is taken

Roles = Mapping[int, str]
Moves = tuple[tuple[int, tuple[str, ...]], ...]  # thing, and the roles that fit it


@dataclass(frozen=True)
class Order:
    """In one role a feature is greater than in another.

    Args:
        feature: name of it.
        more: role in which it is greater.
        less: role in which it is smaller.
        scale: difference from which on the order holds fully.
    """

    feature: str
    more: str
    less: str
    scale: float


@dataclass(frozen=True)
class Verdict:
    """Another way fits better.

    Args:
        roles: of the way that fits; of those that fit as well, the one that changes least.
        fitting: thing -> every role that it has in one of those.
        agreeing: cases in which it fits better than what was declared.
        cases: in which anything could be said.
    """

    roles: Roles
    fitting: Mapping[int, tuple[str, ...]]
    agreeing: int
    cases: int


def better_assignment(
    cases: Sequence[Mapping[int, Features]], declared: Roles, orders: Sequence[Order]
) -> Verdict | None:
    """Return the way that fits clearly better than what is declared; None if none does, or too little is known.

    Args:
        cases: thing -> its features; what a case lacks is left out.
        declared: thing -> role, each role once.
        orders: between the roles.
    """
    ways, scores = _scored(cases, declared, orders)
    told = scores[np.ptp(scores, axis=1) > 0]  # all ways are equal where nothing could be measured
    if len(told) < MIN_CASES:
        return None
    means = told.mean(axis=0)
    equal = _equal(means)
    best = min(equal, key=lambda i: (_changes(ways[i], declared), -means[i]))
    roles = {thing: {ways[i][thing] for i in equal} for thing in declared}
    better = told[:, best] > told[:, 0]  # the first way is the declared one
    if means[best] - means[0] < MIN_GAIN or better.mean() < MIN_SHARE:
        return None
    fitting = {thing: tuple(role for role in ways[best].values() if role in roles[thing]) for thing in declared}
    return Verdict(ways[best], fitting, int(better.sum()), len(told))


def uncompared(
    cases: Sequence[Mapping[int, Features]], declared: Roles, orders: Sequence[Order]
) -> dict[tuple[int, int], int]:
    """Return pair of things -> cases that compare them by an order, for the pairs that too few cases do.

    Args:
        cases: thing -> its features.
        declared: thing -> role, each role once.
        orders: between the roles.
    """
    counts = {}
    for pair in itertools.combinations(declared, 2):
        features = [order.feature for order in orders if {order.more, order.less} == {declared[t] for t in pair}]
        counts[pair] = sum(any(all(f in case.get(t, {}) for t in pair) for f in features) for case in cases)
    return {pair: count for pair, count in counts.items() if count < MIN_CASES}


def odd_cases(
    cases: Sequence[Mapping[int, Features]], declared: Roles, orders: Sequence[Order], min_gain: float
) -> dict[Moves, list[int]]:
    """Return the things that play another role, with the roles that fit -> numbers of the cases that are so.

    Args:
        cases: thing -> its features.
        declared: thing -> role, as it is in most cases.
        orders: between the roles.
        min_gain: for a single case to stand out from the others, in orders that hold fully.
    """
    ways, scores = _scored(cases, declared, orders)
    found: dict[Moves, list[int]] = {}
    for number, score in enumerate(scores):
        if score.max() - score[0] >= min_gain:
            equal = _equal(score)
            best = min(equal, key=lambda i: (_changes(ways[i], declared), -score[i]))
            moved = [thing for thing, role in declared.items() if ways[best][thing] != role]
            moves = tuple((thing, tuple(sorted({ways[i][thing] for i in equal}))) for thing in moved)
            found.setdefault(moves, []).append(number)
    return found


def _scored(
    cases: Sequence[Mapping[int, Features]], declared: Roles, orders: Sequence[Order]
) -> tuple[list[dict[int, str]], NDArray[np.float64]]:
    """Return all ways, the declared one first, and the scores (case, way).

    What a case lacks has no role to give away: ways that move it score there as the declared one.
    """
    ways = [dict(zip(declared, roles, strict=True)) for roles in itertools.permutations(declared.values())]
    scores = np.array([[_score(case, way, orders) for way in ways] for case in cases], np.float64)
    scores = scores.reshape(-1, len(ways))
    for case, row in zip(cases, scores, strict=True):
        absent = [thing for thing in declared if not case.get(thing)]
        row[[any(way[thing] != declared[thing] for thing in absent) for way in ways]] = row[0]
    return ways, scores


def _equal(scores: NDArray[np.float64]) -> list[int]:
    """Return the ways that are as good as the best."""
    return [int(i) for i in np.flatnonzero(scores >= scores.max() - _EQUAL)]


def _score(case: Mapping[int, Features], way: Roles, orders: Sequence[Order]) -> float:
    """Return how well the orders hold, each -1 to 1; one that cannot be measured says nothing."""
    thing_of: dict[Hashable, int] = {role: thing for thing, role in way.items()}
    total = 0.0
    for order in orders:
        more = case.get(thing_of.get(order.more, -1), {}).get(order.feature)
        less = case.get(thing_of.get(order.less, -1), {}).get(order.feature)
        if more is not None and less is not None:
            total += float(np.clip((more - less) / order.scale, -1, 1))
    return total


def _changes(way: Roles, declared: Roles) -> int:
    return sum(way[thing] != role for thing, role in declared.items())
