"""Models that `mstkd benchmark` refuses, and one whose folder says nothing."""

import pytest

from nnunetv2_mstkd.benchmark.results import read_results

pytestmark = pytest.mark.slow


def test_cascades_and_models_of_all_cases_are_refused(test_set, random_model, cross_validation, tmp_path, capsys):
    assert test_set(random_model(cascade=True)) == 1
    assert "second stage of a cascade" in capsys.readouterr().err
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    (fold,) = tmp_path.glob("results/*/*/fold_1")
    fold.rename(fold.with_name("fold_all"))
    assert cross_validation("nnUNetTrainer", folds=("all",)) == 1
    assert "fold_all was trained on every case" in capsys.readouterr().err


def test_models_that_do_not_go_together_are_refused(test_set, random_model, capsys):
    model = random_model()
    assert test_set(model, model) == 1
    assert "nnU-Net fold 0 is given twice" in capsys.readouterr().err
    names = {"channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "ADC"}}
    assert test_set(model, random_model("nnUNetTrainerModalityDropout", dataset_json=names)) == 1
    assert "Models of one benchmark have the same channels and labels" in capsys.readouterr().err


def test_a_folder_that_is_named_after_another_trainer_is_refused(test_set, random_model, capsys):
    model = random_model()
    renamed = model.rename(model.with_name(model.name.replace("nnUNetTrainer", "nnUNetTrainerModalityDropout")))
    assert test_set(renamed) == 1
    error = capsys.readouterr().err
    assert "named after nnUNetTrainerModalityDropout and 3d_fullres, but its checkpoints are of nnUNetTrainer" in error


def test_a_folder_with_a_name_of_its_own_tells_its_trainer_by_the_checkpoint(test_set, random_model, output):
    model = random_model("nnUNetTrainerModalityDropout")
    assert test_set(model.rename(model.with_name("ours")), options=("--subsets", "T1")) == 0
    assert read_results(output).titles == ("ModalityDropout",)
