"""Options, outputs and models that `mstkd predict` refuses."""

import os
import shutil
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow


def test_the_variable_of_the_stock_command_is_refused(predict, input_folder, monkeypatch, capsys):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1ce")
    assert predict(input_folder("case", [1]))[0] == 1
    assert "unset MSTKD_MODALITIES" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-f", "3"), "Fold 3 has no checkpoint_final.pth"),
        (("-chk", "checkpoint_nix.pth"), "checkpoint_nix.pth"),
        (("--modalities", "T1ce,FLIAR"), "Did you mean 'FLAIR'?"),
    ],
)
def test_a_wrong_option_is_named(predict, input_folder, options, says, capsys):
    assert predict(input_folder("case", [1]), *options)[0] == 1
    assert says in capsys.readouterr().err


def test_labels_of_a_previous_stage_are_refused_by_a_model_that_is_no_cascade(predict, input_folder, tmp_path, capsys):
    assert predict(input_folder("case", [1]), "-prev_stage_predictions", tmp_path)[0] == 1
    assert "is no cascade" in capsys.readouterr().err


def test_an_output_among_the_images_is_refused(predict, input_folder, capsys):
    """The next run would take segmentations for images."""
    assert predict(input_folder("case", [1]), output="input/output")[0] == 1
    assert "lies in the input folder" in capsys.readouterr().err


def test_a_folder_that_is_no_model_is_named(predict, input_folder, tmp_path, capsys):
    assert predict(input_folder("case", [1]), model=tmp_path)[0] == 1
    assert f"{tmp_path} is no model folder of nnU-Net: it has no plans.json" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_not_a_full_disk(predict, input_folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert predict(input_folder("case", [1]), output="file/output")[0] == 1
    assert f"{tmp_path / 'file' / 'output'} cannot be written" in (error := capsys.readouterr().err)
    assert "full" not in error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_not_a_full_disk(predict, input_folder, tmp_path, capsys):
    (tmp_path / "output").mkdir(mode=0o555)
    assert predict(input_folder("case", [1]))[0] == 1
    assert "Permission denied" in (error := capsys.readouterr().err)
    assert "full" not in error


class Malicious:
    """Executes code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_a_malicious_checkpoint_is_refused(predict, input_folder, trained_model, tmp_path, monkeypatch, capsys):
    model = Path(shutil.copytree(trained_model(), tmp_path / trained_model().name))
    file = model / "fold_0" / "checkpoint_final.pth"
    torch.save({**torch.load(file, weights_only=False), "extra": Malicious()}, file)
    monkeypatch.chdir(tmp_path)
    code, output = predict(input_folder("case", [1]), model=model)
    assert code == 1
    assert "mkdir" in (error := capsys.readouterr().err)
    assert "--trust-checkpoint" in error
    assert not output.exists()
    assert not (tmp_path / "executed").exists()
