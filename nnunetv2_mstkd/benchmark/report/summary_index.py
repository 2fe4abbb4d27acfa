"""A summary, looked up by model, subset and region (L2)."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from nnunetv2_mstkd.benchmark.best import best_of
from nnunetv2_mstkd.benchmark.cells import ALL
from nnunetv2_mstkd.benchmark.report.number_text import is_number
from nnunetv2_mstkd.evaluation.metrics import METRICS

Row = Mapping[str, Any]


class SummaryIndex:
    """A summary, looked up by model, subset and region.

    Args:
        summary: what `benchmark.summary.summarise` returned; docs/reference/summary.md has its schema.
    """

    def __init__(self, summary: Mapping[str, Any]) -> None:
        self.summary = summary
        self.models: list[str] = [model["title"] for model in summary["models"]]
        self.subsets: list[str] = list(summary["subsets"])
        self.regions: list[str] = [region["name"] for region in summary["regions"]]
        self.shorts: dict[str, str] = {region["name"]: region["short"] for region in summary["regions"]}
        self.baseline: str = summary["baseline"]
        self._rows = {
            (metric, kind): {_key(row): row for row in content.get(kind) or ()}
            for metric, content in summary["metrics"].items()
            for kind in ("cells", "averages", "comparisons", "ranks", "shapley")
        }

    @property
    def others(self) -> list[str]:
        """The models that are compared with the baseline."""
        return [model for model in self.models if model != self.baseline]

    def colour(self, model: str) -> str:
        """Return the CSS colour of a model."""
        if self.is_grey(model):
            return "var(--mb)"
        return f"var(--m{self.others.index(model) if model in self.others else 0})"

    def is_grey(self, model: str) -> bool:
        """Return whether a model is drawn as what the others are compared with."""
        return model == self.baseline and len(self.models) > 1

    def cell(self, metric: str, model: str, subset: str, region: str) -> Row | None:
        """Return mean, sd, median ... of one cell of the table; None if it was not scored."""
        return self._rows[metric, "cells"].get((model, subset, region))

    def mean(self, metric: str, model: str, subset: str, region: str) -> float | None:
        """Return the mean of a cell; for the region ALL the mean over the regions, if each has one."""
        regions = self.regions if region == ALL else [region]
        cells = [self.cell(metric, model, subset, one) for one in regions]
        means = [cell["mean"] for cell in cells if cell is not None and is_number(cell["mean"])]
        return fmean(means) if means and len(means) == len(regions) else None

    def average(self, metric: str, model: str, region: str) -> float | None:
        """Return the mean over all subsets; `region` may be ALL."""
        row = self._rows[metric, "averages"].get((model, region))
        return row["mean"] if row else None

    def average_row(self, metric: str, model: str, region: str) -> Row | None:
        """Return all that is known of the mean over all subsets."""
        return self._rows[metric, "averages"].get((model, region))

    def comparison(self, metric: str, model: str, subset: str, region: str) -> Row | None:
        """Return the comparison with the baseline; subset and region may be ALL."""
        return self._rows[metric, "comparisons"].get((model, subset, region))

    def difference(self, metric: str, model: str, subset: str, region: str) -> float | None:
        """Return the paired difference to the baseline as it is shown; None where nothing was compared.

        Of shares it is the mean; of distances the median, for the penalties of a few empty masks make up their mean.
        """
        row = self.comparison(metric, model, subset, region)
        return None if row is None else row["median_difference" if METRICS[metric].unit else "mean_difference"]

    def verdict(self, metric: str, model: str, subset: str, region: str) -> str:
        """Return "better" or "worse" where a difference stands after Holm's correction, else "".

        The test is one of ranks, and so is the direction: an outlier can turn the sign of a mean. Never for ALL, which
        is not in the family of the correction.
        """
        row = self.comparison(metric, model, subset, region)
        p = row.get("holm_p") if row and ALL not in (subset, region) else None
        if row is None or p is None or not p < self.alpha or not row["rank_biserial"]:
            return ""
        return "better" if row["rank_biserial"] > 0 else "worse"

    def subsets_compared(self, metric: str, model: str, region: str) -> int:
        """Return on how many subsets a model and the baseline have a common patient; `region` may be ALL."""
        return sum(self.comparison(metric, model, subset, region) is not None for subset in self.subsets)

    @property
    def alpha(self) -> float:
        """Level of the tests."""
        return float(self.summary.get("tests", {}).get("alpha", 0.05))

    def ranks(self, metric: str, region: str) -> list[Row]:
        """Return the models' mean ranks."""
        return [row for row in self._rows[metric, "ranks"].values() if row["region"] == region]

    def shapley(self, metric: str, model: str, region: str, modality: str) -> float | None:
        """Return what a modality contributes."""
        row = self._rows[metric, "shapley"].get((model, region, modality))
        return row["value"] if row else None

    def best(self, metric: str, subset: str, region: str, *, higher_is_better: bool, digits: int) -> set[str]:
        """Return the models with the best mean of a column, as far as the shown digits tell; none for one model."""
        means = {model: self.mean(metric, model, subset, region) for model in self.models}
        return best_of(means, higher_is_better=higher_is_better, digits=digits)


def _key(row: Row) -> tuple[str, ...]:
    names: Sequence[str] = ("model", "subset", "region", "modality")
    return tuple(row[name] for name in names if name in row)
