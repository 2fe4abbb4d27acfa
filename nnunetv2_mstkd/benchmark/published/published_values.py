"""Reading the published values (L2)."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from statistics import fmean

from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.modalities import Modalities

PRINTED_AVERAGE = "avg_printed"  # in place of a subset
RECOMPUTED_AVERAGE = "avg_recomputed"
WRONG_FROM = 0.1  # a printed average that is so far from the mean of its cells is no rounding
_EVERY_SUBSET = "all 15"
_SEQUENCES = ("t1", "t1c", "t2", "flair")


@dataclass(frozen=True)
class PublishedValue:
    """One printed number.

    Args:
        dataset: "BraTS2024" or "FeTS2024".
        metric: "dice", in percent, or "hd95", in mm; how empty masks were scored differs between the methods.
        region: "WT", "TC" or "ET".
        method: as the paper calls it.
        subset: as in "t1c+flair"; or one of the two averages.
        value: as printed.
        source: table.
        flag: why it is suspect; None if it is not.
    """

    dataset: str
    metric: str
    region: str
    method: str
    subset: str
    value: float
    source: str
    flag: str | None = None

    @property
    def is_average(self) -> bool:
        """Whether it is an average over the subsets."""
        return self.subset in (PRINTED_AVERAGE, RECOMPUTED_AVERAGE)


@lru_cache(maxsize=1)
def all_published() -> tuple[PublishedValue, ...]:
    """Return every published value, in the order of the tables."""
    flags = {_key(row): row["flag"] for row in _rows("flags.csv")}
    values = [_value(row, flags) for row in _rows("results.csv")]
    means = {_row(value): value.value for value in values if value.subset == RECOMPUTED_AVERAGE}
    return tuple(_with_sum_checked(value, means.get(_row(value))) for value in values)


def mean_over(values: Sequence[PublishedValue], subsets: Sequence[str]) -> float | None:
    """Return the mean of a method's values over some subsets, for a table that has not all of them.

    Args:
        values: of one data set, metric, region and method.
        subsets: named as in `values`.

    Returns:
        The mean; None where one of them was not published, or there are none.
    """
    by_subset = {value.subset: value.value for value in values if not value.is_average}
    if not subsets or not by_subset.keys() >= set(subsets):
        return None
    return fmean(by_subset[subset] for subset in subsets)


def published_for(dataset: str, modalities: Modalities) -> tuple[PublishedValue, ...] | None:
    """Return the values of a data set, their subsets named as those of one's own modalities; averages as they are.

    Args:
        dataset: "BraTS2024" or "FeTS2024".
        modalities: one's own.

    Returns:
        The values of the main tables; None if the modalities are not T1, T1ce, T2 and FLAIR, under whatever name.

    Raises:
        BenchmarkError: if nothing was published of that data set.
    """
    datasets = list(dict.fromkeys(value.dataset for value in all_published()))
    if dataset not in datasets:
        raise BenchmarkError(f"There are no published values of {dataset!r}; there are of {', '.join(datasets)}")
    channels = {name: modalities.fitting(name) for name in _SEQUENCES}
    if len(modalities) != len(_SEQUENCES) or sorted(channels.values()) != [(i,) for i in range(len(_SEQUENCES))]:
        return None
    names = {name: modalities.names[fitting[0]] for name, fitting in channels.items()}
    return tuple(
        value if value.is_average else replace(value, subset=_own_subset(value.subset, names, modalities))
        for value in all_published()
        if value.dataset == dataset and _is_of_main_table(value)
    )


def _own_subset(subset: str, names: dict[str, str], modalities: Modalities) -> str:
    present = {names[name] for name in subset.split("+")}
    return "+".join(name for name in modalities if name in present)


def _is_of_main_table(value: PublishedValue) -> bool:
    """Return whether a value is of the tables by subset, not of the ablation or the repository's README."""
    return value.source.split(" (computed")[0] in ("Table 1", "Table 2", "Table 3", "Table 4")


def _value(row: dict[str, str], flags: dict[tuple[str, ...], str]) -> PublishedValue:
    of_method = (row["dataset"], row["metric"], row["region"], row["method"])
    value = PublishedValue(*of_method, row["subset"], float(row["value"]), row["source"])
    of_all = None if value.is_average else flags.get((*of_method, _EVERY_SUBSET, ""))
    return replace(value, flag=flags.get(_key(row), of_all))


def _row(value: PublishedValue) -> tuple[str, ...]:
    return (value.dataset, value.metric, value.region, value.method)


def _with_sum_checked(value: PublishedValue, mean: float | None) -> PublishedValue:
    """Flag a printed average that is not that of the printed values; what flags.csv says of it comes first."""
    is_wrong = value.subset == PRINTED_AVERAGE and mean is not None and abs(value.value - mean) > WRONG_FROM
    if not is_wrong or value.flag is not None:
        return value
    return replace(value, flag=f"printed as {value.value:.1f}, but the mean of the 15 printed values is {mean:.2f}")


def _key(row: dict[str, str]) -> tuple[str, ...]:
    """Return what a flag belongs to: the value counts, too, for two sources may print two averages."""
    value = "" if row["subset"] == _EVERY_SUBSET else row["value"]
    return (row["dataset"], row["metric"], row["region"], row["method"], row["subset"], value)


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("nnunetv2_mstkd.benchmark.published").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
