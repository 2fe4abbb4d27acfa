"""Benchmarks of tiny models on a test set, and by cross-validation."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmark_folder import benchmark

from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor


@pytest.fixture(autouse=True)
def _lookup(find_trainer):
    """Let nnU-Net find our trainers, also from an editable install."""


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "benchmark"


@pytest.fixture
def test_set(make_dataset, output) -> Callable[..., int]:
    """Return a function that benchmarks models on the test cases of a dataset."""

    def run(*models: object, variant: str = "regions", options: tuple[object, ...] = ()) -> int:
        raw = make_dataset(variant).raw
        source = ("-i", raw / "imagesTs", "-l", raw / "labelsTs", "-m", *models)
        return benchmark(output, *source, "--disable_tta", *options)

    return run


@pytest.fixture
def cross_validation(make_dataset, output, random_model, tmp_path, trained_model) -> Callable[..., int]:
    """Return a function that benchmarks random models of trainers on the validation cases of folds."""
    trained_model()  # a training writes splits_final.json
    dataset = make_dataset("regions")

    def run(*trainers: str, folds: tuple[int, ...] = (0, 1), options: tuple[object, ...] = ()) -> int:
        for trainer in (trainer.rpartition("=")[2] for trainer in trainers):
            target = tmp_path / "results" / dataset.raw.name / f"{trainer}__{dataset.plans_name}__3d_fullres"
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(random_model(trainer, folds=(0, 1)), target)
        source = ("-d", dataset.number, "-c", "3d_fullres", "-p", dataset.plans_name, "-tr", *trainers)
        return benchmark(output, *source, "--results", tmp_path / "results", "--disable_tta", "-f", *folds, *options)

    return run


@pytest.fixture
def forward_passes(monkeypatch) -> list[tuple[str, ...]]:
    """The subsets of each forward pass, as they happen."""
    calls: list[tuple[str, ...]] = []
    original = SubsetPredictor.predict_logits

    def counted(self, image, subsets):
        calls.append(tuple(map(str, subsets)))
        return original(self, image, subsets)

    monkeypatch.setattr(SubsetPredictor, "predict_logits", counted)
    return calls
