"""What a second `mstkd benchmark` computes: what is new, what was stopped, and nothing else."""

import shutil

import pytest
from benchmark_folder import benchmark, records, scores

from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor

pytestmark = pytest.mark.slow


def test_a_second_run_computes_nothing(cross_validation, forward_passes, output, capsys):
    assert cross_validation("nnUNetTrainer") == 0
    assert len(records(output)) == 3  # fold 0 of 5 has two of the six cases, fold 1 one
    forward_passes.clear()
    assert cross_validation("nnUNetTrainer") == 0
    assert forward_passes == []
    assert "3 predictions of cases, 3 of them done before" in capsys.readouterr().out


def test_a_run_that_was_stopped_goes_on(cross_validation, forward_passes, output, monkeypatch, capsys):
    """Each case has one forward pass: all subsets fit into one."""
    original = SubsetPredictor.predict_logits

    def stopped(self, image, subsets):
        if len(forward_passes) == 2:
            raise KeyboardInterrupt
        return original(self, image, subsets)

    with monkeypatch.context() as patch:
        patch.setattr(SubsetPredictor, "predict_logits", stopped)
        assert cross_validation("nnUNetTrainer", "nnUNetTrainerModalityDropout") == 1
    assert "run the same command" in capsys.readouterr().err
    whole = scores(output)
    assert len(whole) == 2
    forward_passes.clear()
    assert cross_validation("nnUNetTrainer", "nnUNetTrainerModalityDropout") == 0
    assert len(forward_passes) == 6 - 2
    assert whole.items() <= scores(output).items()


def test_a_new_trainer_or_fold_computes_only_what_is_new(cross_validation, forward_passes, output):
    assert cross_validation("nnU-Net=nnUNetTrainer", folds=(0,)) == 0
    before = len(forward_passes)
    assert cross_validation("nnU-Net=nnUNetTrainer", "nnUNetTrainerModalityDropout", folds=(0,)) == 0
    assert len(forward_passes) == 2 * before
    assert cross_validation("nnUNetTrainerModalityDropout", folds=(0, 1)) == 0
    assert len(forward_passes) == 2 * before + 1
    assert read_results(output).titles == ("nnU-Net", "ModalityDropout")


def test_folders_of_results_are_repeats(cross_validation, output, tmp_path, capsys):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    shutil.copytree(tmp_path / "results", tmp_path / "again")
    source = ("-d", 901, "-c", "3d_fullres", "-p", "nnUNetPlansTiny", "-tr", "nnUNetTrainer", "-f", 1)
    options = ("--disable_tta", "--subsets", "T1", "--results", tmp_path / "results", tmp_path / "again")
    assert benchmark(output, *source, *options) == 0
    assert "2 predictions of cases, 1 of them done before" in capsys.readouterr().out
    results = read_results(output)
    assert (results.titles, results.repeats) == (("nnU-Net",), (0, 1))


def test_trainers_need_not_have_been_trained_with_all_plans(cross_validation, output, tmp_path, capsys):
    options = ("--subsets", "T1", "-p", "nnUNetPlansTiny", "Other")
    assert cross_validation("nnUNetTrainer", folds=(1,), options=options) == 0
    assert read_results(output).titles == ("nnU-Net",)
    assert benchmark(output, "-d", 901, "-c", "2d", "-tr", "nnUNetTrainer", "--results", tmp_path / "results") == 1
    error = capsys.readouterr().err
    assert "nnUNetTrainer__nnUNetPlans__2d; trained there: nnUNetTrainer__nnUNetPlansTiny__3d_fullres" in error


def test_validation_cases_that_are_not_known_are_an_error(cross_validation, make_dataset, capsys):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    splits = make_dataset("regions").preprocessed / "splits_final.json"
    splits.rename(splits.with_suffix(".away"))
    try:
        assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 1
    finally:
        splits.with_suffix(".away").rename(splits)
    assert "splits_final.json, which says what the validation cases are" in capsys.readouterr().err


def test_the_same_folder_takes_no_other_benchmark(cross_validation, capsys):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1", "--tolerance", 2)) == 1
    assert "tolerance_mm is 1.0 there and 2.0 now" in capsys.readouterr().err
