"""Which model the others are compared with (L2)."""

import difflib

from nnunetv2_mstkd.benchmark.results import ModelFacts, Results
from nnunetv2_mstkd.errors import BenchmarkError


def scored_subsets(results: Results, model: ModelFacts) -> list[str]:
    """Return the names of the subsets that a model was scored on in at least one case, in canonical order."""
    found = {subset for each in results.records if each.training.title == model.title for subset in each.record.scores}
    return [subset for subset in results.subsets if subset in found]


def choose_baseline(results: Results, asked: str | None) -> str:
    """Return the title of the baseline.

    Args:
        results: of the benchmark.
        asked: title; None: the first model that was not trained for missing modalities and was scored on every subset,
            else the first one.

    Raises:
        BenchmarkError: if there is no model of that title.
    """
    if asked is not None:
        return _require(results, asked)
    plain = (
        model.title
        for model in results.models
        if not model.trained_for_missing and len(scored_subsets(results, model)) == len(results.subsets)
    )
    return next(plain, results.titles[0])


def _require(results: Results, asked: str) -> str:
    if asked in results.titles:
        return asked
    close = difflib.get_close_matches(asked, results.titles, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    titles = ", ".join(map(repr, results.titles))
    raise BenchmarkError(f"There is no model {asked!r} to be the baseline.{hint} The models are: {titles}")
