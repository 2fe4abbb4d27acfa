"""What the labels of a map are called and how they are coloured (L2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_mstkd.benchmark.report.palette import LABELS
from nnunetv2_mstkd.regions import Region


@dataclass(frozen=True)
class Label:
    """A label of the maps: its number, colour, and the regions that say what it is ("TC without ET")."""

    number: int
    colour: str
    name: str


def label_legend(regions: Sequence[Region]) -> tuple[Label, ...]:
    """Return every label with its colour, outermost first, and a name made of the regions that contain it.

    Example:
        >>> brats = (Region("whole_tumor", (1, 2, 3)), Region("tumor_core", (2, 3)), Region("enhancing_tumor", (3,)))
        >>> [label.name for label in label_legend(brats)]
        ['WT without TC', 'TC without ET', 'ET']
    """
    numbers = {number for region in regions for number in region.labels}
    around = {n: sorted((r for r in regions if n in r.labels), key=lambda r: len(r.labels)) for n in numbers}
    order = sorted(numbers, key=lambda n: (len(around[n]), n))
    return tuple(
        Label(number, LABELS[i % len(LABELS)], _label_name(around[number][0], regions))
        for i, number in enumerate(order)
    )


def _label_name(smallest: Region, regions: Sequence[Region]) -> str:
    """Return the name of the smallest region around a label, without the largest region inside of that."""
    inner = [r for r in regions if set(r.labels) < set(smallest.labels)]
    if not inner:
        return smallest.short
    return f"{smallest.short} without {max(inner, key=lambda r: len(r.labels)).short}"
