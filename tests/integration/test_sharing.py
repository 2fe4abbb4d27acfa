"""Models trained by the real nnU-Net, exported, installed by the stock command and by ours, and used."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.model_sharing.model_export import export_pretrained_model
from nnunetv2.model_sharing.model_import import install_model_from_zip_file
from small_disk import files_of_at_most

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.errors import ModelFolderError, OutputError
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.safe_checkpoint import load_checkpoint
from nnunetv2_mstkd.sharing.model_export import export_model
from nnunetv2_mstkd.sharing.model_import import import_model

pytestmark = pytest.mark.slow

TRAINERS = ["nnUNetTrainerMSTKD_1epoch", "nnUNetTrainerModalityDropout_1epoch", "nnUNetTrainer_1epoch"]
NAMES = {"plans.json", "dataset.json", "dataset_fingerprint.json", "MODEL_CARD.md", "LICENSE"}


@pytest.fixture(autouse=True)
def _lookup(find_trainer):
    """Let nnU-Net find our trainers, also from an editable install."""


@pytest.fixture
def copied_model(trained_model, tmp_path):
    """Return a function that copies a trained model into a folder of the test's own."""

    def copy(*args, **options) -> Path:
        model = trained_model(*args, **options)
        return shutil.copytree(model, tmp_path / "models" / model.parent.name / model.name)

    return copy


def predict(model: Path, files: list[str], folds=(0,)) -> np.ndarray:
    """Return the probabilities of nnU-Net's own predictor."""
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), folds, "checkpoint_final.pth")
    return predictor.predict_from_files_sequential([files], None, save_probabilities=True)[0][1]


def tensors(file: Path) -> dict:
    return torch.load(file, weights_only=False)["network_weights"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_real_checkpoints_load_without_executing_code(trained_model, trainer):
    for file in sorted((trained_model(trainer) / "fold_0").glob("checkpoint_[bf]*.pth")):
        if file.name.endswith("_training_state.pth"):
            continue
        loaded = load_checkpoint(file)
        assert loaded["trainer_name"] == trainer
        assert all(torch.equal(tensor, tensors(file)[name]) for name, tensor in loaded["network_weights"].items())
        assert "optimizer_state" not in loaded


@pytest.mark.parametrize("trainer", ["nnUNetTrainerMSTKD_1epoch", "nnUNetTrainer_1epoch"])
def test_a_checkpoint_from_the_middle_of_a_training_loads_too(make_trainer, tmp_path, trainer):
    trainer = make_trainer(trainer)
    trainer.initialize()
    trainer.save_checkpoint(str(tmp_path / "checkpoint_latest.pth"))
    loaded = load_checkpoint(tmp_path / "checkpoint_latest.pth")
    assert set(loaded["network_weights"]) == set(trainer.network.state_dict())
    assert "training_state" not in loaded


@pytest.mark.parametrize("trainer", TRAINERS)
def test_an_exported_model_predicts_the_same_installed_by_either_command(
    trained_model, make_dataset, tmp_path, results, trainer, capsys
):
    model, dataset = trained_model(trainer), make_dataset("regions")
    assert main(["export", str(model), str(tmp_path / "model.zip"), "--licence", "CC-BY-4.0"]) == 0
    assert "model.zip: " in capsys.readouterr().out
    install_model_from_zip_file(str(tmp_path / "model.zip"))
    assert main(["import", str(tmp_path / "model.zip"), "--results", str(tmp_path / "ours")]) == 0
    expected = predict(model, dataset.test_files(dataset.test_cases[0]))
    for folder in (results, tmp_path / "ours"):
        installed = folder / model.parent.name / model.name
        assert {path.name for path in installed.iterdir()} == {*NAMES, "fold_0"}
        assert np.array_equal(predict(installed, dataset.test_files(dataset.test_cases[0])), expected)
        assert "CC-BY-4.0" in (installed / "LICENSE").read_text()


def test_an_exported_checkpoint_is_small_and_loads_with_nothing_allowed(trained_model, tmp_path):
    model = trained_model("nnUNetTrainer_1epoch")
    exported = export_model(model, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        name = f"{exported.folder}/fold_0/checkpoint_final.pth"
        assert archive.getinfo(name).compress_type == zipfile.ZIP_STORED
        file = Path(archive.extract(name, tmp_path))
    assert torch.serialization.get_unsafe_globals_in_checkpoint(file) == []
    assert torch.load(file, weights_only=True)["init_args"] == {"configuration": "3d_fullres"}
    original = model / "fold_0" / "checkpoint_final.pth"
    assert file.stat().st_size < 0.75 * original.stat().st_size  # nnU-Net's own also holds the optimiser's momentum
    assert not [path for path in (str(model), "/raw", "/preprocessed") if path.encode() in file.read_bytes()]


def test_folds_are_chosen_and_must_belong_together(copied_model, tmp_path):
    model = copied_model("nnUNetTrainerModalityDropout_1epoch", folds=(0, 1))
    both = export_model(model, tmp_path / "both.zip").sizes
    assert {name for name in both if name.endswith(".pth")} == {f"fold_{i}/checkpoint_final.pth" for i in (0, 1)}
    one = export_model(model, tmp_path / "one.zip", [1], "checkpoint_best.pth").sizes
    assert {name for name in one if name.endswith(".pth")} == {"fold_1/checkpoint_best.pth"}
    file = model / "fold_1" / "checkpoint_final.pth"
    torch.save({**torch.load(file, weights_only=False), "trainer_name": "nnUNetTrainerMSTKD_1epoch"}, file)
    with pytest.raises(ModelFolderError, match="do not belong together"):
        export_model(model, tmp_path / "mixed.zip")
    assert not (tmp_path / "mixed.zip").exists()


def test_a_fold_of_another_plan_is_not_shared(copied_model, tmp_path):
    model = copied_model()
    plans = json.loads((model / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["spacing"] = [9.0, 9.0, 9.0]
    (model / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(ModelFolderError, match=r"trained with another plans\.json.*spacing"):
        export_model(model, tmp_path / "model.zip")
    assert not (tmp_path / "model.zip").exists()


def test_the_benchmark_goes_with_the_model_and_into_its_card(copied_model, tmp_path):
    model = copied_model()
    scores = {"subsets": {"T1ce+FLAIR": {"whole_tumor": {"mean_dice": 0.85, "cases": 40}}}}
    (model / "mstkd_benchmark.json").write_text(json.dumps(scores))
    exported = export_model(model, tmp_path / "model.zip")
    installed = import_model(tmp_path / "model.zip", tmp_path / "results").folders[0]
    assert json.loads((installed / "mstkd_benchmark.json").read_text()) == scores
    card = (installed / "MODEL_CARD.md").read_text()
    assert exported.sizes["MODEL_CARD.md"] == len(card.encode())
    assert "| T1ce+FLAIR | 0.850 (40) |" in card
    assert "Any non-empty subset" in card


def test_names_and_paths_of_the_training_data_stay_at_home(copied_model, tmp_path):
    """nnU-Net copies dataset.json into the model, with the list of files where images are linked."""
    model = copied_model()
    before = json.loads((model / "dataset.json").read_text())
    files = {"images": ["/clinic/Doe_Jane/t1.nii.gz"] * 4, "label": "/clinic/Doe_Jane/seg.nii.gz"}
    added = {"dataset": {"Doe_Jane": files}, "mstkd_conversion": {"format": 1}}
    (model / "dataset.json").write_text(json.dumps({**before, **added}))
    export_model(model, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert not [name for name in archive.namelist() if b"Doe_Jane" in archive.read(name)]
    installed = import_model(tmp_path / "model.zip", tmp_path / "results").folders[0]
    after = json.loads((installed / "dataset.json").read_text())
    assert list(after.items()) == [*before.items(), ("mstkd_conversion", {"format": 1})]  # in this order
    assert after["numTraining"] == 6


def test_the_file_of_a_frozen_teacher_stays_at_home(copied_model, tmp_path):
    model = copied_model("nnUNetTrainerMSTKD_1epoch")
    plans = json.loads((model / "plans.json").read_text())
    plans["mstkd"].update(teacher="frozen", teacher_checkpoint="/clinic/models/fold_0/checkpoint_final.pth")
    (model / "plans.json").write_text(json.dumps(plans))
    export_model(model, tmp_path / "model.zip")
    installed = import_model(tmp_path / "model.zip", tmp_path / "results").folders[0]
    after = json.loads((installed / "plans.json").read_text())
    assert after == {**plans, "mstkd": {**plans["mstkd"], "teacher": "network", "teacher_checkpoint": None}}
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:  # the model card has the settings, too
        assert not [name for name in archive.namelist() if b"/clinic" in archive.read(name)]
    MissingModalityPredictor(installed, device="cpu")  # which needs no teacher


def test_a_mask_of_the_stock_command_is_not_taken_for_what_the_model_needs(trained_model, tmp_path, monkeypatch):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1ce,FLAIR")
    exported = export_model(trained_model(), tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert "Any non-empty subset" in archive.read(f"{exported.folder}/MODEL_CARD.md").decode()


def test_dataset_json_without_a_list_of_files_goes_out_as_it_is(trained_model, tmp_path):
    model = trained_model()
    exported = export_model(model, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert archive.read(f"{exported.folder}/dataset.json") == (model / "dataset.json").read_bytes()


def test_a_renamed_folder_gets_its_name_back(copied_model, tmp_path):
    model = copied_model()
    renamed = model.rename(tmp_path / "my_model")
    assert export_model(renamed, tmp_path / "model.zip").folder == f"{model.parent.name}/{model.name}"


def test_an_archive_is_written_whole_or_not_at_all(trained_model, tmp_path, capsys):
    arguments = ["export", str(trained_model()), str(tmp_path / "model.zip")]
    with files_of_at_most(100_000):
        assert main(arguments) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(arguments) == 0
    assert "No licence is stated" in capsys.readouterr().out
    with pytest.raises(OutputError, match=r"exists.*--overwrite"):
        export_model(trained_model(), tmp_path / "model.zip")
    assert main([*arguments, "--overwrite"]) == 0


@pytest.fixture
def stock_archive(copied_model, tmp_path, monkeypatch):
    """An archive of nnU-Net's own command, with what it adds after a cross-validation."""
    model = copied_model("nnUNetTrainer_1epoch")
    monkeypatch.setattr("nnunetv2.model_sharing.model_export.nnUNet_results", str(tmp_path / "models"))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "models"))
    for name in ("fold_0/progress.png", "fold_0/validation/summary.json", "fold_0/debug.json"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).touch()
    crossval = model / "crossval_results_folds_0"
    crossval.mkdir()
    for name in ("summary.json", "postprocessing.json", "postprocessing.pkl"):
        (crossval / name).touch()
    export_pretrained_model(
        model.parent.name, str(tmp_path / "stock.zip"), ("3d_fullres",), "nnUNetTrainer_1epoch", "nnUNetPlansTiny", (0,)
    )
    return tmp_path / "stock.zip"


def test_an_archive_of_the_stock_command_is_installed_without_its_pickles(stock_archive, tmp_path, capsys):
    assert main(["import", str(stock_archive), "--results", str(tmp_path / "ours")]) == 0
    said = capsys.readouterr().err
    assert "left out" in said
    assert "postprocessing.pkl" in said
    assert "would execute" in said
    (installed,) = (tmp_path / "ours").glob("Dataset*/*")
    files = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert files >= {"plans.json", "fold_0/checkpoint_final.pth", "crossval_results_folds_0/postprocessing.json"}
    assert not list(installed.rglob("*.pkl"))


def test_a_model_of_an_unknown_trainer_is_installed_with_a_warning(copied_model, tmp_path, capsys):
    archive = tmp_path / "model.zip"
    model = copied_model()
    export_model(model, archive)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "unpacked")
    for file in (tmp_path / "unpacked").rglob("*.pth"):
        torch.save({**torch.load(file, weights_only=True), "trainer_name": "nnUNetTrainerOfSomebody"}, file)
    shutil.make_archive(str(tmp_path / "model"), "zip", tmp_path / "unpacked")
    assert main(["import", str(archive), "--results", str(tmp_path / "ours")]) == 0
    assert "trained by nnUNetTrainerOfSomebody" in capsys.readouterr().err
    assert (tmp_path / "ours" / model.parent.name / model.name).is_dir()


def test_a_killed_import_leaves_no_half_model_and_can_be_repeated(trained_model, tmp_path):
    archive, ours = tmp_path / "model.zip", tmp_path / "ours"
    exported = export_model(trained_model("nnUNetTrainer_1epoch"), archive)
    # killed at the last moment: everything is unpacked and checked, nothing in its place
    code = (
        "import os, sys\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "from nnunetv2_mstkd.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["import", str(archive), "--results", str(ours)]
    killed = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True, env=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(ours.glob(".partial_import_model.zip/*/*/plans.json"))
    assert not (ours / exported.folder).exists()
    assert main(arguments) == 0
    assert (ours / exported.folder / "plans.json").is_file()
    assert [path.name for path in ours.iterdir()] == [Path(exported.folder).parent.name]
