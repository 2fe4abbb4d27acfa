"""Published values beside one's own, cell by cell, with their flags as footnotes (L2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_mstkd.benchmark.published.published_values import PRINTED_AVERAGE, PublishedValue, mean_over
from nnunetv2_mstkd.benchmark.report.number_text import is_number, shown
from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.evaluation.metrics import METRICS
from nnunetv2_mstkd.modalities import Modalities


@dataclass(frozen=True)
class PublishedEntry:
    """A value as shown, and the number of its footnote; None without one."""

    text: str
    note: int | None = None


@dataclass(frozen=True)
class PublishedLine:
    """A method, where its values are from, and its entries: the subsets, then their mean."""

    method: str
    source: str
    is_own: bool
    entries: tuple[PublishedEntry, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A metric in a region: one's own models first, then the published methods, and the footnotes."""

    title: str
    lines: tuple[PublishedLine, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """All tables of a data set."""

    dataset: str
    tables: tuple[PublishedTable, ...]


def make_published(index: SummaryIndex, dataset: str, values: Sequence[PublishedValue]) -> Published:
    """Return a table for each metric and region that both have.

    Args:
        index: one's own summary.
        dataset: whose values they are.
        values: published, their subsets named as one's own.
    """
    own_region = {short: name for name, short in index.shorts.items()}
    own_metric = {_kind(name): name for name in index.summary["metrics"] if _kind(name) in ("dice", "hd95")}
    groups: dict[tuple[str, str], list[PublishedValue]] = {}
    for value in values:
        if value.region in own_region and value.metric in own_metric:
            groups.setdefault((value.metric, value.region), []).append(value)
    tables = (
        _table(index, own_metric[metric], own_region[region], of_group) for (metric, region), of_group in groups.items()
    )
    return Published(dataset, tuple(tables))


def _kind(metric: str) -> str:
    return metric.removesuffix("_pooled")


def _table(index: SummaryIndex, metric: str, region: str, values: Sequence[PublishedValue]) -> PublishedTable:
    notes: list[str] = []
    lines = [_own_line(index, metric, model, region) for model in index.models]
    methods: dict[str, dict[str, PublishedValue]] = {}
    for value in values:
        methods.setdefault(value.method, {})[value.subset] = value
    for method, of_method in methods.items():
        entries = (*(_entry(of_method.get(subset), notes) for subset in index.subsets), _mean(index, of_method, notes))
        source = next(iter(of_method.values())).source.split(" (")[0]
        lines.append(PublishedLine(method, source, False, entries))
    return PublishedTable(f"{METRICS[metric].title} {index.shorts[region]}", tuple(lines), tuple(notes))


def _own_line(index: SummaryIndex, metric: str, model: str, region: str) -> PublishedLine:
    means = [index.mean(metric, model, subset, region) for subset in index.subsets]
    numbers = [*means, index.average(metric, model, region)]
    factor = 1 if METRICS[metric].unit else 100  # the papers print Dice in percent
    entries = (PublishedEntry(shown(n * factor if n is not None and is_number(n) else None, 1)) for n in numbers)
    return PublishedLine(model, "", True, tuple(entries))


def _mean(index: SummaryIndex, of_method: Mapping[str, PublishedValue], notes: list[str]) -> PublishedEntry:
    """Return the printed mean; where the table has not all subsets, the mean of the values that it shows."""
    if set(index.subsets) == {str(subset) for subset in Modalities(tuple(index.summary["modalities"])).subsets()}:
        return _entry(of_method.get(PRINTED_AVERAGE), notes)
    return PublishedEntry(shown(mean_over(list(of_method.values()), index.subsets), 1))


def _entry(value: PublishedValue | None, notes: list[str]) -> PublishedEntry:
    """Return an entry, its flag among `notes`, which grows."""
    if value is None:
        return PublishedEntry(shown(None, 1))
    if value.flag is None:
        return PublishedEntry(shown(value.value, 1))
    if value.flag not in notes:
        notes.append(value.flag)
    return PublishedEntry(shown(value.value, 1), notes.index(value.flag) + 1)
