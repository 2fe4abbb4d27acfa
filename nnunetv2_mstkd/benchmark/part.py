"""Cut the work of a benchmark into parts for several calls (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_mstkd.errors import BenchmarkError


@dataclass(frozen=True)
class Block:
    """Some cases of one training.

    Args:
        training: its index.
        cases: indices among the cases of this training, start to stop.
    """

    training: int
    cases: range


def blocks_of_part(counts: Sequence[int], part: int, parts: int) -> list[Block]:
    """Return what one of several calls does; the same cut each time, whatever is finished.

    As long as there are no more parts than trainings, a part is some whole trainings; beyond that it is a block of
    cases of one training. So no model is loaded by more calls than necessary.

    Args:
        counts: number of cases of each training.
        part: which one, from 0.
        parts: how many there are.

    Raises:
        BenchmarkError: if there is no such part.
    """
    if not 0 <= part < parts:
        raise BenchmarkError(f"There is no part {part} of {parts}: they are numbered from 0 to {parts - 1}")
    if not counts:
        return []
    if parts <= len(counts):
        chosen = range(len(counts) * part // parts, len(counts) * (part + 1) // parts)
        return [Block(training, range(counts[training])) for training in chosen]
    blocks = [block for training, share in enumerate(_shares(counts, parts)) for block in _cut(training, counts, share)]
    return blocks[part : part + 1]


def _shares(counts: Sequence[int], parts: int) -> list[int]:
    """Return into how many blocks each training is cut: in proportion to its cases, none into more than it has."""
    shares = [min(1, count) for count in counts]
    for _ in range(parts - len(counts)):
        largest = max(range(len(counts)), key=lambda i: counts[i] / max(1, shares[i]))
        if shares[largest] < counts[largest]:
            shares[largest] += 1
    return shares


def _cut(training: int, counts: Sequence[int], share: int) -> list[Block]:
    count = counts[training]
    return [Block(training, range(count * i // share, count * (i + 1) // share)) for i in range(share)]
