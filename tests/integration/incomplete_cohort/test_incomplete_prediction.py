"""Benchmark and prediction of cases that lack modalities."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK
import torch
from incomplete_cohort import write_constant
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.cli.main import main

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("_lookup")
def test_each_case_is_scored_on_the_subsets_that_it_can_show(incomplete, incomplete_dataset, random_model, tmp_path):
    present, subsets = incomplete.availability.present, incomplete.modalities.subsets()
    first, second = list(present)[:3], list(present)[3:]
    folds = [{"train": second, "val": first}, {"train": first, "val": second}]
    (incomplete_dataset.preprocessed / "splits_final.json").write_text(json.dumps(folds))
    results, output = tmp_path / "results", tmp_path / "output"
    (results / incomplete.name).mkdir(parents=True)
    for trainer in ("nnUNetTrainer", "nnUNetTrainerModalityDropout"):
        shutil.move(random_model(trainer, folds=(0, 1)), results / incomplete.name)
    trainings = ("-tr", "nnUNetTrainer", "nnUNetTrainerModalityDropout", "-p", "nnUNetPlansTiny", "-f", 0, 1)
    options = ("-c", "3d_fullres", "--results", results, "-o", output, "--disable_tta", "-device", "cpu")
    command = ["benchmark", *map(str, ("-d", incomplete.number, *trainings, *options))]

    assert main(command) == 0

    files = [
        training.records(output) / f"{case}.json"
        for training in map(TrainingFacts.read, training_files(output))
        for case in folds[int(training.folds[0])]["val"]
    ]
    records = [CaseRecord.read(file) for file in files]
    assert len(records) == 2 * len(present)
    for record in records:
        has = present[record.case]
        shown = [str(subset) for subset in subsets if has.issuperset(subset)]
        assert list(record.scores) == shown
        assert len(shown) == 2 ** incomplete.present[record.case].count("1") - 1
        assert list(record.images) == list(has.names)

    summary = json.loads((output / "report" / "summary.json").read_text())
    counts = {cell["subset"]: cell["n"] for cell in summary["metrics"]["dice"]["cells"]}
    for subset in subsets:
        assert counts[str(subset)] == sum(has.issuperset(subset) for has in present.values()), str(subset)

    written = [file.read_bytes() for file in files]
    for file in incomplete_dataset.raw.rglob("*.nii.gz"):
        file.touch()  # as a copy of the dataset would be: the files are compared by their content
    assert main(command) == 0
    assert [file.read_bytes() for file in files] == written  # what a case cannot show is not missing


@pytest.mark.usefixtures("_lookup")
def test_one_volume_of_zeros_for_two_channels_is_predicted_as_if_neither_were_there(
    make_dataset, trained_model, tmp_path
):
    dataset = make_dataset("regions")
    files = dataset.test_files(dataset.test_cases[0])
    (tmp_path / "filled").mkdir()
    zeros = write_constant(tmp_path / "zeros.nii.gz", SimpleITK.ReadImage(files[0]))
    for channel, file in enumerate(files):
        shutil.copy(zeros if channel in (1, 3) else file, tmp_path / f"filled/case_{channel:04d}.nii.gz")
    shutil.copytree(tmp_path / "filled", tmp_path / "lacking", ignore=shutil.ignore_patterns("*_0001*", "*_0003*"))
    labels, used = {}, {}
    for folder in ("filled", "lacking"):
        output = tmp_path / f"{folder}_out"
        arguments = ("-m", trained_model(), "-i", tmp_path / folder, "-o", output, "--disable_tta", "-device", "cpu")
        assert main(["predict", *map(str, arguments)]) == 0
        labels[folder] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(output / "case.nii.gz")))
        used[folder] = json.loads((output / "case.mstkd.json").read_text())["modalities"]["used"]
    assert np.array_equal(labels["filled"], labels["lacking"])
    assert used == {"filled": ["T1", "T2"], "lacking": ["T1", "T2"]}


@pytest.mark.usefixtures("_lookup")
def test_the_stock_predictor_takes_zeros_for_an_absent_ct(
    make_dataset, trained_model, tmp_path, overlay_installed, monkeypatch
):
    """CT normalisation alone would make an image of another constant of them."""
    if not overlay_installed:
        pytest.skip("needs the preprocessor of the overlay, which an editable install does not have")
    dataset, model = make_dataset("two_modalities"), trained_model("nnUNetTrainerMSTKD_1epoch", "two_modalities")
    ct, t2 = dataset.test_files(dataset.test_cases[0])
    zeros = str(write_constant(tmp_path / "case_0000.nii.gz", SimpleITK.ReadImage(ct)))
    t2 = shutil.copy(t2, tmp_path / "case_0001.nii.gz")
    probabilities = []
    for mask in (None, "T2"):
        if mask:
            monkeypatch.setenv("MSTKD_MODALITIES", mask)
        predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
        predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
        found = predictor.predict_from_files_sequential([[zeros, str(t2)]], None, save_probabilities=True)
        probabilities.append(found[0][1])
    assert np.array_equal(*probabilities)
