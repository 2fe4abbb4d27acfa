"""What `mstkd benchmark` writes beside the scores: the confidence file, facts of a training, the report."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from benchmark_folder import benchmark, records

from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.cli.main import main

pytestmark = pytest.mark.slow


def test_the_confidence_file_reaches_mstkd_predict(test_set, random_model, output, make_dataset, tmp_path):
    from nnunetv2_mstkd.benchmark.confidence import write_confidence

    dataset, model = make_dataset("regions"), random_model()
    assert test_set(f"model={model}", options=("--subsets", "T1ce,FLAIR")) == 0
    assert write_confidence(read_results(output)) == [model / "mstkd_benchmark.json"]
    content = json.loads((model / "mstkd_benchmark.json").read_text())
    assert (content["dataset"], content["protocol"], content["policy"]) == (dataset.raw.name, "test set", "brats")
    arguments = ["-m", model, "-i", dataset.raw / "imagesTs", "-o", tmp_path / "out", "--modalities", "T1ce,FLAIR"]
    assert main(["predict", *map(str, arguments), "-device", "cpu", "--disable_tta"]) == 0
    sidecar = json.loads((tmp_path / "out" / "blobTs_000.mstkd.json").read_text())
    facts = [record.scores["T1ce+FLAIR"]["whole_tumor"] for record in records(output).values()]
    dice = [2 * fact.voxels_both / (fact.voxels_reference + fact.voxels_prediction) for fact in facts]
    assert sidecar["confidence"]["regions"]["whole_tumor"]["cases"] == 2
    assert sidecar["confidence"]["regions"]["whole_tumor"]["mean_dice"] == pytest.approx(np.mean(dice), abs=1e-4)


def test_facts_of_a_training(cross_validation, output, tmp_path):
    assert cross_validation("nnUNetTrainer", folds=(1,), options=("--subsets", "T1")) == 0
    (training,) = map(TrainingFacts.read, training_files(output))
    (checkpoint,) = tmp_path.glob("results/*/*/fold_1/checkpoint_final.pth")
    weights = torch.load(checkpoint, weights_only=False)["network_weights"]
    # the decoder of nnU-Net's network holds the encoder again
    own = {name: w for name, w in weights.items() if not name.startswith("decoder.encoder.")}
    # and each convolution block holds convolution and norm a second time, as parts of all_modules
    own = {name: w for name, w in own.items() if ".all_modules." not in name}
    assert training.parameters == sum(w.numel() for w in own.values())
    assert (training.trainer, training.configuration, training.folds) == ("nnUNetTrainer", "3d_fullres", ("1",))
    assert training.inference["mirroring"] is False
    (record,) = records(output).values()
    assert (record.run["device"], record.run["engine"]) == ("cpu", "torch-float32")
    assert record.run["hardware"] == training.hardware
    assert record.run["versions"] == training.versions
    assert training.hardware["cores"] == os.cpu_count()
    assert set(training.versions) >= {"nnunetv2_mstkd", "nnunetv2", "torch"}


def test_the_command_ends_with_the_report(test_set, random_model, output, capsys, make_dataset):
    raw = make_dataset("regions").raw
    models = ("-m", f"nnU-Net={random_model()}", f"Dropout={random_model('nnUNetTrainerModalityDropout')}")
    source = ("-i", raw / "imagesTs", "-l", raw / "labelsTs", *models)
    options = ("--write-confidence", "--disable_tta", "--subsets", "T1", "T1ce,FLAIR", "1111")
    assert benchmark(output, *source, *options, report=True) == 0
    assert (output / "report" / "report.html").is_file()
    shown = capsys.readouterr().out
    assert "[4/4] blobTs_001 Dropout fold 0: 3 subsets" in shown
    assert str(output / "report" / "report.html") in shown
    assert len(list(output.parent.glob("models/*/mstkd_benchmark.json"))) == 2
    summary = json.loads((output / "report" / "summary.json").read_text())
    assert (summary["baseline"], summary["protocol"], summary["num_cases"]) == ("nnU-Net", "test set", 2)
    shutil.rmtree(output / "report")
    assert main(["report", str(output), "--baseline", "Dropout"]) == 0
    assert json.loads((output / "report" / "summary.json").read_text())["baseline"] == "Dropout"
