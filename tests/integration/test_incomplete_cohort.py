"""A cohort in which half of the cases lack modalities, through the stock commands, `mstkd benchmark` and `predict`."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nnunetv2
import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from tiny_cohort import TinyCohort, write_cohort

from nnunetv2_mstkd import overlay
from nnunetv2_mstkd.benchmark.record import CaseRecord
from nnunetv2_mstkd.benchmark.training_facts import TrainingFacts, training_files
from nnunetv2_mstkd.cases.availability import AVAILABILITY_FILE, Availability, read_availability, write_availability
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.errors import CaseError
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.planning.availability_lookup import find_availability

pytestmark = pytest.mark.slow

NUMBER, NAME = 956, "Dataset956_Incomplete"
MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
PRESENT = {
    "blobTr_000": "1111",
    "blobTr_001": "1011",
    "blobTr_002": "1111",
    "blobTr_003": "1110",
    "blobTr_004": "1111",
    "blobTr_005": "1010",
}
AVAILABILITY = Availability(MODALITIES, {case: MODALITIES.subset(bits) for case, bits in PRESENT.items()})
NUM_SUBSETS = {case: 2 ** bits.count("1") - 1 for case, bits in PRESENT.items()}
PLANS, OWN_PLANS = "nnUNetPlansTiny", "nnUNetPlansOwn"
TIMEOUT_S = 300


# --- the dataset -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def incomplete_raw(nnunet_folders) -> Path:
    """A raw dataset as `mstkd convert` leaves it: listed files, and one volume of zeros for each incomplete case."""
    raw = nnunet_folders.nnUNet_raw / NAME
    write_cohort(raw, TinyCohort())
    dataset_json = json.loads((raw / "dataset.json").read_text())
    dataset_json["dataset"] = {}
    for case, subset in AVAILABILITY.present.items():
        files = [f"imagesTr/{case}_{channel:04d}.nii.gz" for channel in range(len(MODALITIES))]
        for channel in set(range(len(MODALITIES))) - set(subset.channels):
            image = SimpleITK.ReadImage(str(raw / files[channel]))
            (raw / files[channel]).unlink()
            files[channel] = write_zeros(raw / f"absent/{case}.nii.gz", image).relative_to(raw).as_posix()
        dataset_json["dataset"][case] = {"images": files, "label": f"labelsTr/{case}.nii.gz"}
    (raw / "dataset.json").write_text(json.dumps(dataset_json))
    write_availability(raw / AVAILABILITY_FILE, AVAILABILITY)
    return raw


def write_zeros(file: Path, like: SimpleITK.Image) -> Path:
    zeros = SimpleITK.Image(like.GetSize(), SimpleITK.sitkUInt8)
    zeros.CopyInformation(like)
    file.parent.mkdir(exist_ok=True)
    SimpleITK.WriteImage(zeros, str(file))
    return file


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Return a function that runs nnU-Net's commands where the overlay is installed, whatever is installed here."""
    root = tmp_path_factory.mktemp("site")
    copied = shutil.copytree(nnunetv2.__path__[0], root / "nnunetv2", ignore=shutil.ignore_patterns("mstkd", "*.pyc"))
    for kind, dotted in overlay.TARGETS.items():
        shutil.copytree(Path(overlay.__file__).parent / kind, root / dotted.replace(".", "/"))
    sample_less(copied / "experiment_planning/dataset_fingerprint/fingerprint_extractor.py")
    paths = [str(root), str(Path(overlay.__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "nnUNet_n_proc_DA": "1"}

    def run(command: str, *arguments: object) -> str:
        program = [sys.executable, str(Path(sys.executable).with_name(command)), *map(str, arguments)]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def sample_less(extractor: Path) -> None:
    """Thousands of voxels for the statistics of intensities: a hundred million are gigabytes."""
    text = extractor.read_text()
    assert text.count("intensitystats = 10e7") == 1
    extractor.write_text(text.replace("intensitystats = 10e7", "intensitystats = 10e3"))


@pytest.fixture(scope="module")
def planned(incomplete_raw, nnunet_folders, stock) -> Path:
    """The dataset, planned and preprocessed by one stock command with our extractor."""
    options = ("-c", "3d_fullres", "-pl", "nnUNetPlannerTiny", "-fpe", "MSTKDFingerprintExtractor")
    stock("nnUNetv2_plan_and_preprocess", "-d", NUMBER, *options, "--verify_dataset_integrity", "-npfp", 2, "-np", 1)
    return nnunet_folders.nnUNet_preprocessed / NAME


@pytest.fixture(scope="module")
def incomplete_dataset(make_dataset, incomplete_raw, planned):
    """The dataset as the fixtures make_trainer and trained_model take one."""
    return type(make_dataset("regions"))(NAME, NUMBER, incomplete_raw, planned, PLANS)


def voxels(folder: Path, case: str) -> np.ndarray:
    return nnUNetDatasetBlosc2(str(folder)).load_case(case)[0][:]


# --- planning and preprocessing --------------------------------------------------------------------------------------


def test_the_table_travels_with_the_preprocessed_data(planned):
    assert read_availability(planned / AVAILABILITY_FILE, MODALITIES) == AVAILABILITY


def test_zeros_are_not_in_the_statistics_and_do_not_move_the_crop(planned, incomplete_raw, stock, tmp_path):
    own = json.loads((planned / "dataset_fingerprint.json").read_text())
    kept = shutil.copy(planned / "dataset_fingerprint.json", tmp_path)
    try:
        stock("nnUNetv2_extract_fingerprint", "-d", NUMBER, "--clean", "-np", 1)
        nnunets = json.loads((planned / "dataset_fingerprint.json").read_text())
    finally:
        shutil.copy(kept, planned)
    smallest, counted = (
        [each["foreground_intensity_properties_per_channel"][str(channel)]["min"] for channel in range(4)]
        for each in (own, nnunets)
    )
    assert all(value > 0 for value in smallest)  # there is no zero in any image's head
    assert [value == 0 for value in counted] == [False, True, False, True]  # nnU-Net counts the absent ones
    assert own["shapes_after_crop"] == nnunets["shapes_after_crop"]
    assert own.keys() == nnunets.keys()


def test_absent_modalities_are_zero_in_the_preprocessed_data(planned):
    for case, subset in AVAILABILITY.present.items():
        is_present = voxels(planned / f"{PLANS}_3d_fullres", case).any(axis=(1, 2, 3))
        assert tuple(is_present) == subset.present, case


def test_the_table_is_found_again_from_the_data(planned, tmp_path):
    shutil.copytree(planned / f"{PLANS}_3d_fullres", tmp_path / "data")
    assert find_availability(tmp_path, tmp_path / "data", MODALITIES, list(PRESENT)) == AVAILABILITY
    assert (tmp_path / AVAILABILITY_FILE).read_text() == (planned / AVAILABILITY_FILE).read_text()


def test_our_preprocessor_gives_the_same_where_zeros_stay_zeros(planned, stock):
    """z-scores leave them; the preprocessor is for schemes that do not."""
    options = ("-c", "3d_fullres", "-pl", "nnUNetPlannerTiny", "-fpe", "MSTKDFingerprintExtractor")
    own = ("-preprocessor_name", "MSTKDPreprocessor", "-overwrite_plans_name", OWN_PLANS)
    stock("nnUNetv2_plan_and_preprocess", "-d", NUMBER, *options, *own, "-npfp", 1, "-np", 1)
    plans = json.loads((planned / f"{OWN_PLANS}.json").read_text())
    assert plans["configurations"]["3d_fullres"]["preprocessor_name"] == "MSTKDPreprocessor"
    for case in PRESENT:
        expected = voxels(planned / f"{PLANS}_3d_fullres", case)
        assert np.array_equal(voxels(planned / f"{OWN_PLANS}_3d_fullres", case), expected), case


# --- training --------------------------------------------------------------------------------------------------------


FOLDS = [
    {"train": ["blobTr_000", "blobTr_001", "blobTr_003", "blobTr_005"], "val": ["blobTr_002", "blobTr_004"]},
    {"train": ["blobTr_001", "blobTr_002", "blobTr_004"], "val": ["blobTr_000", "blobTr_003", "blobTr_005"]},
]


@pytest.fixture
def folds(planned):
    """Splits in which cases that lack modalities are trained on, and validated."""
    (planned / "splits_final.json").write_text(json.dumps(FOLDS))
    return FOLDS


def test_the_stock_command_trains_and_validates_on_cases_that_lack_modalities(planned, folds, stock, nnunet_folders):
    plans = json.loads((planned / f"{PLANS}.json").read_text())
    plans["plans_name"] = "nnUNetPlansMicro"  # an epoch of the command has 250 iterations
    plans["configurations"]["3d_fullres"]["patch_size"] = [8, 8, 8]
    (planned / "nnUNetPlansMicro.json").write_text(json.dumps(plans))
    trainer = "nnUNetTrainerMSTKD_1epoch"
    stock("nnUNetv2_train", NUMBER, "3d_fullres", 1, "-tr", trainer, "-p", "nnUNetPlansMicro", "-device", "cpu")
    model = nnunet_folders.nnUNet_results / NAME / f"{trainer}__nnUNetPlansMicro__3d_fullres"
    log = next((model / "fold_1").glob("training_log_*.txt")).read_text()
    assert "Training: 2 of 3 cases have all modalities (T1 3, T1ce 2, T2 3, FLAIR 3)" in log
    assert "Validation: 1 of 3 cases have all modalities (T1 3, T1ce 2, T2 3, FLAIR 1)" in log
    summary = json.loads((model / "fold_1" / "validation" / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == 3
    with open(model / "fold_1" / "mstkd_metrics.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert all(np.isfinite(float(value)) for name, value in row.items() if name.startswith("loss_"))
    assert float(row["loss_consistency"]) > 0


@pytest.mark.usefixtures("_lookup", "folds")
@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD_1epoch", "nnUNetTrainerModalityDropout_1epoch"])
def test_a_training_whose_table_is_lost_finds_it_again(make_trainer, incomplete_dataset, name):
    tables = [folder / AVAILABILITY_FILE for folder in (incomplete_dataset.preprocessed, incomplete_dataset.raw)]
    kept = tables[1].read_text()
    for table in tables:
        table.unlink()
    try:
        trainer = make_trainer(name, dataset=incomplete_dataset)
        trainer.run_training()
        assert trainer.available.availability == AVAILABILITY
        assert read_availability(tables[0], MODALITIES) == AVAILABILITY
    finally:
        tables[1].write_text(kept)


@pytest.mark.usefixtures("_lookup", "folds")
def test_a_training_whose_table_is_wrong_stops_before_anything_is_trained(make_trainer, incomplete_dataset):
    table = incomplete_dataset.preprocessed / AVAILABILITY_FILE
    kept = table.read_text()
    wrong = {**AVAILABILITY.present, "blobTr_005": MODALITIES.all}
    write_availability(table, Availability(MODALITIES, wrong))
    try:
        trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", dataset=incomplete_dataset)
        with pytest.raises(CaseError, match=r"blobTr_005: T1ce is present .*constant"):
            trainer.run_training()
        assert not list(Path(trainer.output_folder).glob("checkpoint_*"))
    finally:
        table.write_text(kept)


@pytest.mark.usefixtures("_lookup")
def test_final_validation_sees_zeros_where_a_case_lacks_a_modality(
    make_trainer, incomplete_dataset, folds, monkeypatch
):
    """Also where normalisation made another constant of them, as that of CT: here the data are changed to be so."""
    seen = {}

    def load(self, identifier):
        data, *others = load_case(self, identifier)
        data = data[:] * 1
        data[~np.array(AVAILABILITY.of(identifier).present)] = -3.0
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
        for channel, is_present in enumerate(AVAILABILITY.of(case).present):
            assert image[channel].any() == is_present, (case, channel)


# --- benchmark and prediction ----------------------------------------------------------------------------------------


@pytest.fixture
def _lookup(find_trainer):
    """Let nnU-Net find our trainers, also from an editable install."""


@pytest.mark.usefixtures("_lookup")
def test_each_case_is_scored_on_the_subsets_that_it_can_show(incomplete_dataset, random_model, tmp_path):
    first, second = list(PRESENT)[:3], list(PRESENT)[3:]
    folds = [{"train": second, "val": first}, {"train": first, "val": second}]
    (incomplete_dataset.preprocessed / "splits_final.json").write_text(json.dumps(folds))
    results, output = tmp_path / "results", tmp_path / "output"
    (results / NAME).mkdir(parents=True)
    for trainer in ("nnUNetTrainer", "nnUNetTrainerModalityDropout"):
        shutil.move(random_model(trainer, folds=(0, 1)), results / NAME)
    options = ("-tr", "nnUNetTrainer", "nnUNetTrainerModalityDropout", "-p", PLANS, "-c", "3d_fullres", "-f", 0, 1)
    arguments = ("-d", NUMBER, *options, "--results", results, "-o", output, "--disable_tta", "-device", "cpu")
    assert main(["benchmark", *map(str, arguments)]) == 0

    records = [
        CaseRecord.read(training.records(output) / f"{case}.json")
        for training in map(TrainingFacts.read, training_files(output))
        for case in folds[int(training.folds[0])]["val"]
    ]
    assert len(records) == 2 * len(PRESENT)
    for record in records:
        present = AVAILABILITY.of(record.case)
        shown = [str(subset) for subset in MODALITIES.subsets() if present.issuperset(subset)]
        assert list(record.scores) == shown
        assert len(shown) == NUM_SUBSETS[record.case]
        assert list(record.images) == list(present.names)

    summary = json.loads((output / "report" / "summary.json").read_text())
    counts = {cell["subset"]: cell["n"] for cell in summary["metrics"]["dice"]["cells"]}
    for subset in MODALITIES.subsets():
        assert counts[str(subset)] == sum(p.issuperset(subset) for p in AVAILABILITY.present.values()), str(subset)


@pytest.mark.usefixtures("_lookup")
def test_one_volume_of_zeros_for_two_channels_is_predicted_as_if_neither_were_there(
    make_dataset, trained_model, tmp_path
):
    dataset = make_dataset("regions")
    files = dataset.test_files(dataset.test_cases[0])
    (tmp_path / "filled").mkdir()
    zeros = write_zeros(tmp_path / "zeros.nii.gz", SimpleITK.ReadImage(files[0]))
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
    zeros = str(write_zeros(tmp_path / "case_0000.nii.gz", SimpleITK.ReadImage(ct)))
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
