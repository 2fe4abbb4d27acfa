"""The dot matrix: which modalities each column of a table or heat map has (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class Dot:
    """One modality in one column.

    Args:
        is_present: whether the dot is filled.
        joins_above: whether the line that joins the column's filled dots comes from above.
        joins_below: whether it goes on below.
    """

    is_present: bool
    joins_above: bool
    joins_below: bool


@dataclass(frozen=True)
class Column:
    """A subset of the modalities.

    Args:
        subset: name.
        size: number of its modalities.
        is_first_of_size: whether a group of columns starts here.
        dots: one for each modality, in channel order.
    """

    subset: str
    size: int
    is_first_of_size: bool
    dots: tuple[Dot, ...]


def subset_sizes(modalities: Sequence[str], subsets: Sequence[str]) -> list[int]:
    """Return how many modalities each subset has."""
    return [column.size for column in make_columns(modalities, subsets)]


def make_columns(modalities: Sequence[str], subsets: Sequence[str]) -> tuple[Column, ...]:
    """Return a column for each subset, grouped by size.

    Args:
        modalities: channel names, in channel order.
        subsets: names, in canonical order.
    """
    known = {str(subset): subset for subset in Modalities(tuple(modalities)).subsets()}
    columns: list[Column] = []
    for name in subsets:
        subset = known[name]
        first, last = subset.channels[0], subset.channels[-1]
        dots = tuple(Dot(p, first < i <= last, first <= i < last) for i, p in enumerate(subset.present))
        columns.append(Column(name, len(subset), not columns or columns[-1].size != len(subset), dots))
    return tuple(columns)
