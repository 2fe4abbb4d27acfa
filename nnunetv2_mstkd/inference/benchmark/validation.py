"""A benchmark of what nnU-Net trained, on the validation cases of its folds (L3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_mstkd.benchmark.title import Nameable, Titled, titles_of
from nnunetv2_mstkd.errors import BenchmarkError
from nnunetv2_mstkd.inference.benchmark.cases import (
    BenchmarkCase,
    Cases,
    raw_dataset,
    training_cases,
    validation_names,
)
from nnunetv2_mstkd.inference.benchmark.described_model import ModelDescription, describe_model
from nnunetv2_mstkd.inference.benchmark.options import BenchmarkOptions
from nnunetv2_mstkd.inference.benchmark.plan import (
    Plan,
    facts_of,
    needs_of,
    placed,
    refuse_masking,
    require_same_dataset,
    subsets_of,
)
from nnunetv2_mstkd.inference.benchmark.training import Training
from nnunetv2_mstkd.inference.model_files import ALL_CASES
from nnunetv2_mstkd.inference.model_folder import fold_names
from nnunetv2_mstkd.inference.results_folder import default_results, find_dataset_name, model_name, require_trained


@dataclass(frozen=True)
class CrossValidation:
    """Models that nnU-Net trained, on the validation cases of their folds.

    Args:
        dataset: name or number.
        configuration: such as 3d_fullres.
        trainers: class names, with titles.
        plans: names of plans; each trainer is taken with each.
        folds: numbers; None: all that are trained.
        results: folders like nnUNet_results, each one repeat; empty: nnUNet_results alone.
    """

    dataset: str
    configuration: str
    trainers: tuple[Titled, ...]
    plans: tuple[str, ...] = ("nnUNetPlans",)
    folds: tuple[str, ...] | None = None
    results: tuple[Path, ...] = ()


def plan_cross_validation(source: CrossValidation, output: Path, options: BenchmarkOptions) -> Plan:
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
    dataset = find_dataset_name(source.dataset)
    repeats = source.results or (default_results("or name the folders of the models with --results"),)
    named = _trained(source, dataset, repeats)
    described = [
        [_described(folder, source.folds, options) for folder in folders] for _, _, folders in named
    ]  # [model][repeat]
    models = [model for repeat in described for model, _ in repeat]
    titles = titles_of(
        [
            Nameable(given, trainer, str(model.plans["plans_name"]), model.configuration, needs_of(model))
            for (given, trainer, _), ((model, _), *_rest) in zip(named, described, strict=True)
        ]
    )
    facts = facts_of(dataset, models, "validation folds", options)
    facts.require_same(output)
    raw = raw_dataset(dataset)
    require_same_dataset(raw, models[0])
    names = validation_names(dataset, sorted({fold for repeat in described for _, folds in repeat for fold in folds}))
    cases = training_cases(raw, list(dict.fromkeys(name for fold in names.values() for name in fold)), facts.modalities)
    of_fold = {fold: _present(own, cases) for fold, own in names.items()}
    trainings = [
        Training(title, 0, 0, (fold,), model, options.inference, tuple(case.name for case in of_fold[fold]))
        for title, by_repeat in zip(titles, described, strict=True)
        for model, folds in by_repeat
        for fold in folds
    ]
    ready = placed(trainings, output)
    ready.sort(key=lambda training: int(training.folds[0]))  # stable: the models of a fold share its cases
    work = [(training, of_fold[training.folds[0]]) for training in ready]
    return Plan(facts, subsets_of(options, facts.modalities), tuple(work), cases.problems)


def _trained(
    source: CrossValidation, dataset: str, repeats: Sequence[Path]
) -> list[tuple[str | None, str, list[Path]]]:
    """Return (title, trainer, folder of each repeat) of each trainer with each plans.

    Where several plans are given, a trainer need not have been used with all of them.

    Raises:
        ModelFolderError: if a model is not there.
    """
    found = []
    for title, trainer in source.trainers:
        models = [model_name(trainer, plans, source.configuration) for plans in source.plans]
        there = [model for model in models if any((folder / dataset / model).is_dir() for folder in repeats)]
        for model in there or models:
            folders = [results / dataset / model for results in repeats]
            for folder in folders:
                require_trained(folder)
            found.append((title, trainer, folders))
    return found


def _described(
    folder: Path, folds: Sequence[str] | None, options: BenchmarkOptions
) -> tuple[ModelDescription, list[str]]:
    names = fold_names(folder, folds, options.checkpoint)
    if ALL_CASES in names:
        raise BenchmarkError(
            f"{folder.name}: fold_all was trained on every case, so that no validation cases are left. Score it on a "
            f"test set: -i IMAGES -l LABELS -m {folder}"
        )
    model = describe_model(folder, names, options.checkpoint, trust_checkpoint=options.trust_checkpoint)
    return model, sorted(dict.fromkeys(names), key=int)


def _present(names: Sequence[str], cases: Cases) -> tuple[BenchmarkCase, ...]:
    return tuple(cases.by_name[name] for name in names if name in cases.by_name)
