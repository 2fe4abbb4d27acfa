"""A benchmark of any model folders on a folder of cases (L3)."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.benchmark.title import Nameable, Titled, titles_of
from nnunetv2_mstkd.inference.benchmark.cases import test_set_cases
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import (
    Plan,
    facts_of,
    needs_of,
    require_own_places,
    subsets_of,
)
from nnunetv2_mstkd.inference.benchmark.training import ModelDescription, Training, describe_model, orders_of
from nnunetv2_mstkd.inference.model_folder import fold_names


@dataclass(frozen=True)
class TestSet:
    """Model folders on a folder of cases.

    Args:
        images: as for `mstkd predict`.
        labels: folder with `<case><ending>`.
        models: model folders, with titles.
        folds: whose predictions are averaged; None: all that are trained.
    """

    images: Path
    labels: Path
    models: tuple[Titled, ...]
    folds: tuple[str, ...] | None = None


def plan_test_set(source: TestSet, output: Path, options: BenchmarkOptions) -> Plan:
    """Look at models and cases; nothing is loaded, no image is read.

    Args:
        source: what is asked for.
        output: folder of the benchmark, which may know some of the models.
        options: how.

    Raises:
        BenchmarkError: if models do not go together, or their cases are not known.
        ModelFolderError, CheckpointError, ModalityError, CaseError: if something is missing or damaged.
    """
    described: list[tuple[ModelDescription, tuple[str, ...]]] = []
    for _, text in source.models:
        folds = tuple(dict.fromkeys(fold_names(Path(text), source.folds, options.checkpoint)))
        model = describe_model(Path(text), folds, options.checkpoint, trust_checkpoint=options.trust_checkpoint)
        described.append((model, folds))
    models = [model for model, _ in described]
    titles = titles_of(
        [
            Nameable(given, model.trainer, str(model.plans["plans_name"]), model.configuration, needs_of(model))
            for (given, _), model in zip(source.models, models, strict=True)
        ]
    )
    facts = facts_of(str(models[0].plans["dataset_name"]), models, "test set", options)
    orders = orders_of(titles, output)
    seen: Counter[tuple[str, str | None]] = Counter()
    trainings = []
    for title, (model, folds) in zip(titles, described, strict=True):
        # what nothing but the folder tells apart was trained several times
        repeat = seen[title, needs_of(model)]
        seen[title, needs_of(model)] += 1
        trainings.append(Training(title, orders[title], repeat, folds, model, options.inference))
    require_own_places(trainings)
    cases = test_set_cases(source.images, source.labels, facts.modalities, models[0].preprocessing.reader)
    work = [(training, tuple(cases.by_name.values())) for training in trainings]
    return Plan(facts, subsets_of(options, facts.modalities), tuple(work), cases.problems)
