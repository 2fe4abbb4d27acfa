"""A benchmark of any model folders on a folder of cases (L3)."""

from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.benchmark.title import Nameable, Titled, titles_of
from nnunetv2_mstkd.inference.benchmark.cases import test_set_cases
from nnunetv2_mstkd.inference.benchmark.described_model import ModelDescription, describe_model
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import (
    Plan,
    facts_of,
    needs_of,
    placed,
    refuse_masking,
    subsets_of,
)
from nnunetv2_mstkd.inference.benchmark.training import Training
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

    @property
    def name(self) -> str:
        """The folder that has that of the labels in it: as a rule a raw dataset."""
        labels = self.labels.resolve()
        return labels.parent.name or labels.name


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
    refuse_masking()
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
    folders = {"images": str(source.images.resolve()), "labels": str(source.labels.resolve())}
    facts = facts_of(source.name, models, "test set", options, folders)
    facts.require_same(output)
    cases = test_set_cases(source.images, source.labels, facts.modalities, models[0].preprocessing.reader)
    trainings = [
        Training(title, 0, 0, folds, model, options.inference, tuple(cases.by_name))
        for title, (model, folds) in zip(titles, described, strict=True)
    ]
    work = [(training, tuple(cases.by_name.values())) for training in placed(trainings, output)]
    return Plan(facts, subsets_of(options, facts.modalities), tuple(work), cases.problems)
