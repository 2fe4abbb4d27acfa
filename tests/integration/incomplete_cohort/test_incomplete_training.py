"""Training on an incomplete cohort: by the stock commands, and where the table is lost or wrong."""

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.errors import CaseError

pytestmark = pytest.mark.slow

# --- the stock commands ----------------------------------------------------------------------------------------------


class Training:
    """`nnUNetv2_train` of one fold.

    Args:
        stock: the commands.
        results: folder of the dataset's models.
        number: of the dataset.
        trainer: name.
        configuration: name.
        fold: number, or "all".
    """

    def __init__(self, stock, results, number, trainer, configuration, fold):
        self._stock = stock
        self.arguments = (number, configuration, fold, "-tr", trainer, "-p", "nnUNetPlansTiny", "-device", "cpu")
        self.folder = results / f"{trainer}__nnUNetPlansTiny__{configuration}" / f"fold_{fold}"

    def run(self, *options):
        self._stock.run("nnUNetv2_train", *self.arguments, *options)

    def logs(self):
        """What is in each log, in order of time."""
        return [file.read_text() for file in sorted(self.folder.glob("training_log_*.txt"))]

    def epochs(self):
        """The rows of the metrics, of which all losses have to be finite."""
        with open(self.folder / "mstkd_metrics.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            assert all(np.isfinite(float(value)) for name, value in row.items() if name.startswith("loss_"))
        return rows

    def validated(self):
        """The cases of which there is a segmentation, sorted."""
        return sorted(file.name.removesuffix(".nii.gz") for file in (self.folder / "validation").glob("*.nii.gz"))

    def probabilities(self, case):
        return np.load(self.folder / "validation" / f"{case}.npz")["probabilities"]


@pytest.fixture
def training(stock, nnunet_folders, incomplete):
    """Return a function that describes a training of the cohort."""

    def describe(trainer: str, configuration: str, fold: int | str) -> Training:
        results = nnunet_folders.nnUNet_results / incomplete.name
        return Training(stock, results, incomplete.number, trainer, configuration, fold)

    return describe


@contextmanager
def other_constants(data: Path, cohort, cases, kept: Path) -> Iterator[None]:
    """Let the absent channels of preprocessed cases hold what CT normalisation may make of zeros."""
    kept.mkdir()
    for case in cases:
        absent = ~np.array(cohort.availability.of(case).present)
        stored, seg, _, properties = nnUNetDatasetBlosc2(str(data)).load_case(case)
        image, seg, layout = stored[:], seg[:], {"chunks": stored.chunks, "blocks": stored.blocks}
        image[absent] = -3
        for ending in (".b2nd", "_seg.b2nd", ".pkl"):
            shutil.move(data / f"{case}{ending}", kept)
        nnUNetDatasetBlosc2.save_case(image, seg, properties, str(data / case), **layout)
    try:
        yield
    finally:
        for file in kept.iterdir():
            shutil.copy(file, data)


def test_the_stock_command_trains_validates_and_validates_again(planned, incomplete, folds, training, tmp_path):
    run = training("nnUNetTrainerMSTKD_1epoch", "3d_fullres", 1)
    run.run("--npz")
    (log,) = run.logs()
    assert "Training: 2 of 3 cases have all modalities (T1 3, T1ce 2, T2 3, FLAIR 3)" in log
    assert "Validation: 1 of 3 cases have all modalities (T1 3, T1ce 2, T2 3, FLAIR 1)" in log
    (epoch,) = run.epochs()
    assert float(epoch["loss_consistency"]) > 0
    cases = folds[1]["val"]
    assert run.validated() == cases
    expected = {case: run.probabilities(case) for case in cases}

    shutil.rmtree(run.folder / "validation")
    with other_constants(planned / "nnUNetPlansTiny_3d_fullres", incomplete, cases, tmp_path / "kept"):
        run.run("--val", "--npz")
    assert run.validated() == cases
    for case in cases:
        assert np.array_equal(run.probabilities(case), expected[case]), case


@pytest.mark.usefixtures("planned", "folds")
def test_a_killed_training_of_slices_continues_to_the_end(training, train_and_kill):
    run = training("nnUNetTrainerMSTKD_3epochs", "2d", 1)
    train_and_kill(run.folder, *run.arguments)
    run.run("--c")
    assert [float(epoch["epoch"]) for epoch in run.epochs()] == list(range(3))
    first, second = run.logs()
    for log in (first, second):
        assert "Training: 2 of 3 cases have all modalities (T1 3, T1ce 2, T2 3, FLAIR 3)" in log
    assert ": Epoch 0" in first
    assert ": Epoch 0" not in second
    assert len(run.validated()) == 3


@pytest.mark.usefixtures("planned")
def test_a_training_on_all_cases_validates_all_of_them(training, incomplete):
    run = training("nnUNetTrainerMSTKD_1epoch", "3d_fullres", "all")
    run.run()
    (log,) = run.logs()
    for part in ("Training", "Validation"):
        assert f"{part}: 3 of 6 cases have all modalities (T1 6, T1ce 4, T2 6, FLAIR 4)" in log
    assert len(run.epochs()) == 1
    assert run.validated() == sorted(incomplete.present)


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_lookup", "folds")
@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD_1epoch", "nnUNetTrainerModalityDropout_1epoch"])
def test_a_training_whose_table_is_lost_finds_it_again(make_trainer, incomplete, incomplete_dataset, name):
    tables = [folder / AVAILABILITY_FILE for folder in (incomplete_dataset.preprocessed, incomplete_dataset.raw)]
    kept = tables[1].read_text()
    for table in tables:
        table.unlink()
    try:
        trainer = make_trainer(name, dataset=incomplete_dataset)
        trainer.run_training()
        assert trainer.available.availability == incomplete.availability
        assert read_availability(tables[0], incomplete.modalities) == incomplete.availability
    finally:
        tables[1].write_text(kept)


@pytest.mark.usefixtures("_lookup", "folds")
def test_a_training_whose_table_is_wrong_stops_before_anything_is_trained(make_trainer, incomplete, incomplete_dataset):
    table = incomplete_dataset.preprocessed / AVAILABILITY_FILE
    kept = table.read_text()
    wrong = {**incomplete.availability.present, "blobTr_005": incomplete.modalities.all}
    write_availability(table, Availability(incomplete.modalities, wrong))
    try:
        trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", dataset=incomplete_dataset)
        with pytest.raises(CaseError, match=r"blobTr_005: T1ce is present .*constant"):
            trainer.run_training()
        assert not list(Path(trainer.output_folder).glob("checkpoint_*"))
    finally:
        table.write_text(kept)


@pytest.mark.usefixtures("_lookup")
def test_final_validation_sees_zeros_where_a_case_lacks_a_modality(
    make_trainer, incomplete, incomplete_dataset, folds, monkeypatch
):
    """Also where normalisation made another constant of them, as that of CT: here the data are changed to be so."""
    seen = {}

    def load(self, identifier):
        data, *others = load_case(self, identifier)
        data = data[:] * 1
        data[~np.array(incomplete.availability.of(identifier).present)] = -3.0
        return data, *others

    def predict(self, image):
        seen[len(seen)] = image.clone()
        return torch.zeros(3, *image.shape[1:])

    load_case = nnUNetDatasetBlosc2.load_case
    monkeypatch.setattr(nnUNetDatasetBlosc2, "load_case", load)
    monkeypatch.setattr(nnUNetPredictor, "predict_sliding_window_return_logits", predict)
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", dataset=incomplete_dataset, fold=1)
    trainer.initialize()
    trainer.perform_actual_validation()
    assert len(seen) == 3
    for image, case in zip(seen.values(), folds[1]["val"], strict=True):
        for channel, is_present in enumerate(incomplete.availability.of(case).present):
            assert image[channel].any() == is_present, (case, channel)
