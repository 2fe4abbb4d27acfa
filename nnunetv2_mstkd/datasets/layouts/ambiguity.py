"""What the values of label maps can mean where names do not tell (L1')."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from nnunetv2_mstkd.datasets.layouts.label_set import LabelSet
from nnunetv2_mstkd.datasets.layouts.layout import Layout
from nnunetv2_mstkd.datasets.layouts.source import SourceDataset
from nnunetv2_mstkd.datasets.layouts.table import LAYOUTS
from nnunetv2_mstkd.errors import ConversionError


def settle(dataset: SourceDataset, values: Iterable[int]) -> SourceDataset:
    """Return the dataset with its label set known, and with the layout that follows from it.

    Args:
        dataset: of a scan; returned as it is if its label set is known already.
        values: that occur in any of its label maps.

    Raises:
        ConversionError: if the values have no reading, or several that contradict each other.
    """
    if dataset.label_set is not None:
        return dataset
    if not dataset.readings:
        return replace(dataset, label_set=label_set_from_values(values))
    label_set = label_set_from_values(values, dataset.readings)
    layout = next(layout for layout in dataset.readings if layout.label_set == label_set)
    return replace(dataset, layout=layout.name, title=layout.title, label_set=label_set, readings=())


def label_set_from_values(values: Iterable[int], readings: Sequence[Layout] = ()) -> LabelSet:
    """Return the only label set that values can be of.

    Several sets may hold the values, as long as they agree on what each of these means: then it is the smallest one.

    Args:
        values: that occur in label maps.
        readings: layouts that the dataset may have; by default it can be any.

    Raises:
        ConversionError: if no set has the values, or sets contradict each other; the message shows them.

    Example:
        >>> from nnunetv2_mstkd.datasets.layouts.table import BY_NAME
        >>> label_set_from_values({0, 1, 2, 4}, [BY_NAME["brats2021"]]).meanings
        {1: 'NCR', 2: 'ED', 4: 'ET'}
    """
    found = sorted(set(values) - {0})
    if not found:
        raise ConversionError("No label map has a value other than 0: these are no references")
    candidates = _candidates(readings or LAYOUTS, found)
    if not candidates:
        example = ",".join(f"{value}=..." for value in found)
        raise ConversionError(
            f"The label maps have the values {_listed(found)}, as no known dataset has: say what they mean with "
            f'--labels "{example}", the names being NCR, ED, ET, RC, CC or any others'
        )
    if len({tuple((v, m) for v, m in label_set if v in found) for label_set in candidates}) > 1:
        raise ConversionError(
            _contradiction(found, candidates, "--labels, or its dataset with --layout" if readings else "--labels")
        )
    smallest = min(candidates, key=len)
    return LabelSet(dict(smallest))


def readings_with(labels: LabelSet, readings: Sequence[Layout]) -> tuple[Layout, ...]:
    """Return the reading whose values have the given meanings, the one with fewest labels; all readings if none has."""
    own = {layout.name: layout.label_set.meanings for layout in readings if layout.label_set is not None}
    having = [layout for layout in readings if labels.meanings.items() <= own.get(layout.name, {}).items()]
    return (min(having, key=lambda layout: len(own[layout.name])),) if having else tuple(readings)


_Meanings = tuple[tuple[int, str], ...]


def _candidates(layouts: Iterable[Layout], found: Sequence[int]) -> dict[_Meanings, list[str]]:
    """Return the label sets that have the values, with the titles of their layouts."""
    titles: dict[_Meanings, list[str]] = defaultdict(list)
    for layout in layouts:
        if layout.label_set is not None and set(found) <= set(layout.label_set.values):
            titles[tuple(sorted(layout.label_set.meanings.items()))].append(layout.title)
    return dict(titles)


def _contradiction(found: Sequence[int], candidates: dict[_Meanings, list[str]], decision: str) -> str:
    """Return a message that shows what the values can mean, and which options decide."""
    options = [
        f'"{",".join(f"{value}={meaning}" for value, meaning in label_set)}" ({", ".join(titles)})'
        for label_set, titles in candidates.items()
    ]
    return (
        f"The label maps have the values {_listed(found)}, which can mean {' or '.join(options)}. A wrong choice gives "
        "a model that looks right and is not. Look at a case: the enhancing tumour (ET) is bright in T1ce, oedema (ED) "
        f"is outermost and bright in FLAIR. Then give the right one with {decision}"
    )


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))
