"""What `mstkd benchmark` computes again: where weights, files or subsets are others than those of the records."""

import os
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from benchmark_folder import benchmark, labels_in, records, scores

from nnunetv2_mstkd.benchmark.preview import Preview
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.training_facts import training_files
from nnunetv2_mstkd.inference.benchmark import input_facts
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor

pytestmark = pytest.mark.slow


def test_a_changed_checkpoint_is_noticed(cross_validation, forward_passes, output, tmp_path, capsys):
    assert cross_validation("nnUNetTrainer") == 0
    forward_passes.clear()
    before = scores(output)
    (file,) = tmp_path.glob("results/*/*/fold_1/checkpoint_final.pth")
    checkpoint = torch.load(file, weights_only=False)
    checkpoint["network_weights"] = {k: w + 0.3 * torch.randn_like(w) for k, w in checkpoint["network_weights"].items()}
    torch.save(checkpoint, file)
    assert cross_validation("nnUNetTrainer") == 0
    assert len(forward_passes) == 1
    assert "nnU-Net fold 1: checkpoint changed: 1 case computed anew" in capsys.readouterr().out
    after = scores(output)
    assert {name for name in after if after[name] != before[name]} == {name for name in after if "/1/" in name}


def test_more_subsets_are_added_to_a_record(cross_validation, forward_passes, output):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1", "FLAIR")) == 0
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1ce", "T1")) == 0
    assert forward_passes == [("T1", "FLAIR"), ("T1ce",)]
    (record,) = records(output).values()
    assert list(record.scores) == ["T1", "T1ce", "FLAIR"]
    (file,) = training_files(output)
    assert Preview.read(file.parent, record.case).subsets == ("T1", "T1ce", "FLAIR")


def test_subsets_whose_previews_are_lost_are_predicted_again(cross_validation, forward_passes, output):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1", "FLAIR")) == 0
    (preview,) = output.glob("records/*/*/*.npz")
    preview.unlink()
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1ce")) == 0
    assert forward_passes == [("T1", "FLAIR"), ("T1", "T1ce", "FLAIR")]
    assert preview.is_file()


def test_records_of_other_weights_stay_until_they_are_replaced(cross_validation, output, tmp_path, monkeypatch):
    assert cross_validation("nnUNetTrainer", options=("--subsets", "T1")) == 0
    before = set(output.glob("records/*/*/*.json"))
    (file,) = tmp_path.glob("results/*/*/fold_0/checkpoint_final.pth")
    checkpoint = torch.load(file, weights_only=False)
    torch.save({**checkpoint, "current_epoch": 7}, file)

    def stopped(self, image, subsets):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SubsetPredictor, "predict_logits", stopped)
        assert cross_validation("nnUNetTrainer", options=("--subsets", "T1")) == 1
    assert set(output.glob("records/*/*/*.json")) == before
    assert len(read_results(output).records) == 1  # of the fold that is as it was
    assert cross_validation("nnUNetTrainer", options=("--subsets", "T1")) == 0
    assert len(read_results(output).records) == 3


def test_label_maps_are_added_to_a_finished_run(test_set, random_model, forward_passes, output):
    model = f"model={random_model()}"
    assert test_set(model, options=("--subsets", "T1", "T2")) == 0
    assert not (output / "predictions").exists()
    before = scores(output)
    keep = ("--subsets", "T1", "T2", "--keep-predictions")
    assert test_set(model, options=keep) == 0
    files = sorted(output.glob("predictions/*/*/*/*.nii.gz"))
    assert len(files) == 2 * 2
    files[0].unlink()
    forward_passes.clear()
    assert test_set(model, options=keep) == 0
    assert forward_passes == [("T1",)]
    assert files[0].is_file()
    assert scores(output) == before


def test_a_label_map_does_not_outlive_its_scores(test_set, random_model, output):
    model = random_model()
    assert test_set(f"model={model}", options=("--subsets", "T1", "--keep-predictions")) == 0
    files = sorted(output.glob("predictions/*/*/*/*.nii.gz"))
    before = [labels_in(file) for file in files]
    checkpoint_file = next(model.glob("fold_*/checkpoint_final.pth"))
    checkpoint = torch.load(checkpoint_file, weights_only=False)
    checkpoint["network_weights"] = {k: w + 0.3 * torch.randn_like(w) for k, w in checkpoint["network_weights"].items()}
    torch.save(checkpoint, checkpoint_file)
    assert test_set(f"model={model}", options=("--subsets", "T1")) == 0
    assert any(not np.array_equal(labels_in(file), old) for file, old in zip(files, before, strict=True))


def test_files_are_read_again_only_if_they_were_touched(make_dataset, random_model, output, tmp_path, monkeypatch):
    images, labels = (
        shutil.copytree(make_dataset("regions").raw / name, tmp_path / name) for name in ("imagesTs", "labelsTs")
    )
    run = partial(benchmark, output, "-i", images, "-l", labels, "-m", f"model={random_model()}", "--subsets", "T1")
    assert run() == 0
    hashed: list[str] = []
    original = input_facts.sha256_of
    monkeypatch.setattr(input_facts, "sha256_of", lambda file: hashed.append(file.name) or original(file))
    finished = {name: record.finished for name, record in records(output).items()}
    assert run() == 0
    assert hashed == []
    os.utime(labels / "blobTs_000.nii.gz", (0, 0))
    assert run() == 0
    assert "blobTs_000.nii.gz" in hashed
    assert "blobTs_001.nii.gz" not in hashed
    assert {name: record.finished for name, record in records(output).items()} == finished
