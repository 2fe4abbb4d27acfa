"""`mstkd demo` in miniature: the real commands, from the cohort to the report, and a second call that does nothing."""

import json

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
    gpu_memory_target_gb=0.004,
    models=(
        Model("nnU-Net", "nnUNetTrainerQuick"),
        Model("modality dropout", "nnUNetTrainerModalityDropoutQuick"),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, overlay_installed, quick_trainers):
    if not overlay_installed:
        pytest.skip("the stock commands find our planner where the package is installed, and not editable")
    pytest.importorskip("nilearn", reason="the simulated patients need the extra demo")
    folder = DemoFolder(tmp_path_factory.mktemp("demo") / "it's here")  # a path that has to be quoted
    folder.open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_extTrainer", str(quick_trainers))
        demonstrate(folder, MINIATURE, "cpu", processes=1)
    return folder


def test_it_ends_with_a_report_of_every_subset(folder):
    report = folder.root / folder.benchmark / "report"
    assert (report / "report.html").stat().st_size > 10_000
    summary = json.loads((report / "summary.json").read_text())
    assert [model["title"] for model in summary["models"]] == [model.title for model in MINIATURE.models]
    assert len(summary["subsets"]) == 15
    assert summary["num_cases"] == MINIATURE.test_cases


def test_it_predicted_each_test_case_with_sequences_missing(folder):
    predictions = folder.root / folder.predictions
    assert len(list(predictions.glob("*.nii.gz"))) == MINIATURE.test_cases
    record = json.loads(next(predictions.glob("*.mstkd.json")).read_text())
    assert record["modalities"]["used"] == ["T1ce", "FLAIR"]


def test_a_second_call_runs_nothing(folder, capsys):
    demonstrate(folder, MINIATURE, "cpu", processes=2)
    shown = capsys.readouterr().out
    steps = [line for line in shown.splitlines() if line.startswith("[")]
    assert steps
    assert all(line.endswith("done before") for line in steps)
