"""`mstkd demo` in miniature: the real commands, from the cohort to the picture, and a second call that does nothing."""

import csv

import pytest

from nnunetv2_mstkd.demo.demonstration import demonstrate
from nnunetv2_mstkd.demo.folder import DemoFolder
from nnunetv2_mstkd.demo.recipe import Model, Recipe

pytestmark = pytest.mark.slow

MINIATURE = Recipe(
    cases=3,
    test_cases=1,
    spacing_mm=5.0,
    epochs=1,
    gpu_memory_target_gb=0.004,  # a stock epoch has 250 + 50 iterations: small patches make that seconds
    models=(
        Model("nnU-Net", "nnUNetTrainer", reads_mask=False),
        Model("dropout", "nnUNetTrainerModalityDropout"),
    ),
    subsets=("T1,T1ce,T2,FLAIR", "T1,T2"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, overlay_installed):
    if not overlay_installed:
        pytest.skip("the stock commands find our planner where the package is installed, and not editable")
    pytest.importorskip("nilearn", reason="the simulated patients need the extra demo")
    folder = DemoFolder(tmp_path_factory.mktemp("demo") / "it's here")  # a path that has to be quoted
    folder.open()
    demonstrate(folder, MINIATURE, "cpu", processes=1)
    return folder


def test_it_makes_a_table_and_a_picture(folder):
    with open(folder.root / "dice.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3  # subsets, models, regions
    assert "| T1+T2 |" in (folder.root / "dice.md").read_text()
    assert (folder.root / "demo.png").stat().st_size > 10_000


def test_each_model_predicted_each_test_case_with_each_subset(folder):
    for model in MINIATURE.models:
        for subset in MINIATURE.modality_subsets():
            predictions = folder.root / folder.prediction(MINIATURE, model, subset)
            assert len(list(predictions.glob("*.nii.gz"))) == MINIATURE.test_cases


@pytest.mark.parametrize("model", MINIATURE.models, ids=lambda model: model.title)
def test_the_mask_or_the_zeros_reached_the_model(folder, model):
    complete, masked = (folder.root / folder.prediction(MINIATURE, model, s) for s in MINIATURE.modality_subsets())
    case = next(masked.glob("*.nii.gz"))
    assert case.read_bytes() != (complete / case.name).read_bytes()


def test_a_second_call_runs_nothing(folder, capsys):
    demonstrate(folder, MINIATURE, "cpu", processes=2)
    shown = capsys.readouterr().out
    steps = [line for line in shown.splitlines() if line.startswith("[")]
    assert steps
    assert all(line.endswith("done before") for line in steps)
