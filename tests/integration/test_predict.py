"""`mstkd predict` on folders in which files are really absent, by the command's own function in this process."""

import copy
import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.cli.predict import NOT_ALL_DONE
from nnunetv2_mstkd.errors import OutputError
from nnunetv2_mstkd.inference.prediction import Prediction
from nnunetv2_mstkd.modalities import Modalities

pytestmark = pytest.mark.slow

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
BRATS_NAMES = ("t1n", "t1c", "t2w", "t2f")


@pytest.fixture(autouse=True)
def _lookup(find_trainer):
    """Let nnU-Net find our trainers, also from an editable install."""


@pytest.fixture
def predict(trained_model, tmp_path):
    """Return a function that runs the command on `folder` and gives its exit code and the output's folder."""

    def run(folder: Path, *options: object, model: Path | None = None, output: str = "output") -> tuple[int, Path]:
        arguments = ["-m", model or trained_model(), "-i", folder, "-o", tmp_path / output, "-device", "cpu"]
        return main(["predict", *map(str, [*arguments, "--disable_tta", *options])]), tmp_path / output

    return run


@pytest.fixture
def input_folder(make_dataset, tmp_path):
    """Return a function that fills a folder with some channels of a test case, under names of one's own."""
    folder = tmp_path / "input"

    def fill(case: str, channels, name="{case}_{channel:04d}", variant: str = "regions", number: int = 0) -> Path:
        dataset = make_dataset(variant)
        for channel in channels:
            file = folder / f"{name.format(case=case, channel=channel, brats=BRATS_NAMES[channel])}.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(dataset.test_files(dataset.test_cases[number])[channel], file)
        return folder

    return fill


def labels_of(folder: Path, case: str) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / f"{case}.nii.gz")))


def sidecar_of(folder: Path, case: str) -> dict:
    return json.loads((folder / f"{case}.json").read_text())


def zero_fill(folder: Path, case: str, num_channels: int = 4) -> list[str]:
    """Write what a case lacks as zeros, as nnU-Net needs it, and return its files."""
    files = [folder / f"{case}_{channel:04d}.nii.gz" for channel in range(num_channels)]
    present = SimpleITK.ReadImage(str(next(file for file in files if file.is_file())))
    for file in files:
        if not file.is_file():
            zeros = SimpleITK.Image(present.GetSize(), present.GetPixelID())
            zeros.CopyInformation(present)
            SimpleITK.WriteImage(zeros, str(file))
    return [str(file) for file in files]


def stock(model: Path, files: list[str], mirroring: bool = False, folds=(0,)) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of nnU-Net's own predictor."""
    predictor = nnUNetPredictor(use_mirroring=mirroring, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), folds, "checkpoint_final.pth")
    return predictor.predict_from_files_sequential([files], None, save_probabilities=True)[0]


# --- equal to the stock command on zero-filled files -----------------------------------------------------------------


def test_every_subset_equals_the_stock_command_on_zero_filled_files(predict, input_folder, trained_model):
    for subset in MODALITIES.subsets():
        folder = input_folder(f"case{subset.channels}", subset.channels)
    code, output = predict(folder, "--save_probabilities")
    assert code == 0
    for subset in MODALITIES.subsets():
        case = f"case{subset.channels}"
        labels, probabilities = stock(trained_model(), zero_fill(folder, case))
        assert np.array_equal(labels_of(output, case), labels), str(subset)
        assert np.array_equal(np.load(output / f"{case}.npz")["probabilities"], probabilities), str(subset)
        assert sidecar_of(output, case)["modalities"]["used"] == list(subset.names)


@pytest.mark.parametrize("variant", ["anisotropic", "two_modalities", "labels"])
def test_other_plans_equal_the_stock_command(predict, input_folder, trained_model, variant, monkeypatch):
    """two_modalities has CT normalisation, for which zero-filled files alone are not enough: the mask is."""
    model = trained_model("nnUNetTrainerMSTKD_1epoch", variant)
    code, output = predict(input_folder("case", [1], variant=variant), model=model)
    assert code == 0
    files = zero_fill(output.parent / "input", "case", 2 if variant == "two_modalities" else 4)
    monkeypatch.setenv("MSTKD_MODALITIES", "01" if variant == "two_modalities" else "0100")
    assert np.array_equal(labels_of(output, "case"), stock(model, files)[0])


def test_two_dimensional_models_folds_and_mirroring_equal_the_stock_command(input_folder, trained_model, tmp_path):
    model = trained_model("nnUNetTrainerModalityDropout_1epoch", configuration="2d", folds=(0, 1))
    folder = input_folder("case", [0, 2])
    arguments = ["-m", model, "-i", folder, "-o", tmp_path / "output", "-device", "cpu", "-npp", 0, "-nps", 0]
    assert main(["predict", *map(str, arguments)]) == 0
    expected, _ = stock(model, zero_fill(folder, "case"), mirroring=True, folds=(0, 1))
    assert np.array_equal(labels_of(tmp_path / "output", "case"), expected)
    assert sidecar_of(tmp_path / "output", "case")["model"]["folds"] == ["0", "1"]


def test_the_geometry_is_that_of_the_input(predict, input_folder):
    folder = input_folder("case", [3])
    _, output = predict(folder)
    image, seg = (SimpleITK.ReadImage(str(f)) for f in (folder / "case_0003.nii.gz", output / "case.nii.gz"))
    assert (image.GetSize(), image.GetSpacing()) == (seg.GetSize(), seg.GetSpacing())
    assert (image.GetOrigin(), image.GetDirection()) == (seg.GetOrigin(), seg.GetDirection())


def test_a_plain_nnunet_model_works_with_a_warning(predict, input_folder, trained_model, capsys):
    model = trained_model("nnUNetTrainer_1epoch")
    code, output = predict(input_folder("case", [0, 1]), model=model)
    assert code == 0
    assert "nnUNetTrainer_1epoch did not train this model for missing modalities" in capsys.readouterr().out
    expected, _ = stock(model, zero_fill(output.parent / "input", "case"))
    assert np.array_equal(labels_of(output, "case"), expected)


def test_a_cascade_gets_the_labels_of_its_previous_stage(make_dataset, input_folder, find_trainer, tmp_path, capsys):
    """Random weights: whether the labels reach the network shows in any output."""
    dataset = make_dataset("regions")
    model = tmp_path / "nnUNetTrainer__nnUNetPlansTiny__3d_cascade_fullres"
    (model / "fold_0").mkdir(parents=True)
    plans = copy.deepcopy(dataset.plans)
    stages = {"inherits_from": "3d_fullres", "previous_stage": "3d_fullres"}
    plans["configurations"]["3d_cascade_fullres"] = stages
    configuration = PlansManager(plans).get_configuration("3d_cascade_fullres")
    network = find_trainer("nnUNetTrainer").build_network_architecture(PlansManager(plans), configuration, 7, 3, False)
    checkpoint = {"trainer_name": "nnUNetTrainer", "init_args": {"configuration": "3d_cascade_fullres"}}
    torch.save({**checkpoint, "network_weights": network.state_dict()}, model / "fold_0" / "checkpoint_final.pth")
    (model / "plans.json").write_text(json.dumps(plans))
    (model / "dataset.json").write_text(json.dumps(dataset.dataset_json))
    folder = input_folder("case", [1, 3])
    arguments = ["predict", "-m", str(model), "-i", str(folder), "-o", str(tmp_path / "output"), "-device", "cpu"]
    assert main(arguments) == 1
    assert "-prev_stage_predictions" in capsys.readouterr().err
    previous = tmp_path / "previous"
    previous.mkdir()
    shutil.copy(dataset.raw / "labelsTs" / f"{dataset.test_cases[0]}.nii.gz", previous / "case.nii.gz")
    assert main([*arguments, "-prev_stage_predictions", str(previous)]) == 0
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), (0,), "checkpoint_final.pth")
    files = zero_fill(folder, "case")
    predictor.predict_from_files_sequential([files], [str(tmp_path / "stock")], False, True, str(previous))
    assert len(np.unique(expected := labels_of(tmp_path, "stock"))) > 1
    assert np.array_equal(labels_of(tmp_path / "output", "case"), expected)


# --- what is found ---------------------------------------------------------------------------------------------------


def test_folders_that_mix_names_and_layouts_are_understood(predict, input_folder):
    input_folder("flat", [1, 3])
    input_folder("BraTS-GLI-00001-000", [0, 2], name="{case}/{case}-{brats}")
    folder = input_folder("sub-01", [1], name="sub-01/anat/sub-01_ce-gadolinium_T1w")
    code, output = predict(folder)
    assert code == 0
    used = {case: sidecar_of(output, case)["modalities"]["used"] for case in ("flat", "BraTS-GLI-00001-000", "sub-01")}
    assert used == {"flat": ["T1ce", "FLAIR"], "BraTS-GLI-00001-000": ["T1", "T2"], "sub-01": ["T1ce"]}


def test_names_do_not_matter_to_the_result(predict, input_folder):
    input_folder("a", [1, 3])
    folder = input_folder("b", [1, 3], name="b/{brats}")
    _, output = predict(folder)
    assert np.array_equal(labels_of(output, "a"), labels_of(output, "b"))


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_other_formats_of_the_reader_give_the_same(predict, input_folder, ending):
    folder = input_folder("a", [1, 3])
    for channel in (1, 3):
        image = SimpleITK.ReadImage(str(folder / f"a_000{channel}.nii.gz"))
        SimpleITK.WriteImage(image, str(folder / f"b_000{channel}{ending}"))
    code, output = predict(folder)
    assert code == 0
    assert np.array_equal(labels_of(output, "a"), labels_of(output, "b"))


def test_all_cases_can_be_restricted(predict, input_folder):
    folder = input_folder("a", range(4))
    input_folder("b", [1, 3])
    _, output = predict(folder, "--modalities", "t1gd,t2f")
    assert np.array_equal(labels_of(output, "a"), labels_of(output, "b"))
    assert sidecar_of(output, "a")["modalities"] == {"used": ["T1ce", "FLAIR"], "absent": ["T1", "T2"]}


def test_a_restriction_never_invents_a_file(predict, input_folder, capsys):
    code, output = predict(input_folder("a", [0]), "--modalities", "T1ce")
    assert code == 1
    assert not output.exists()
    assert "a:" in capsys.readouterr().err


def test_a_table_says_it_for_each_case(predict, input_folder, tmp_path):
    input_folder("a", range(4))
    folder = input_folder("b", range(4))
    table = tmp_path / "cases.csv"
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows([["case", "modalities"], ["a", "T1ce+FLAIR"], ["b", "T2"]])
    code, output = predict(folder, "--modality-table", table)
    assert code == 0
    assert sidecar_of(output, "a")["modalities"]["used"] == ["T1ce", "FLAIR"]
    assert sidecar_of(output, "b")["modalities"]["used"] == ["T2"]


def test_four_dimensional_files_are_read_by_their_channel_order(predict, make_dataset, input_folder, tmp_path):
    dataset = make_dataset("regions")
    images = [SimpleITK.ReadImage(file) for file in dataset.test_files(dataset.test_cases[0])]
    folder = tmp_path / "4d"
    folder.mkdir()
    SimpleITK.WriteImage(SimpleITK.JoinSeries([images[3], images[0], images[1]]), str(folder / "case.nii.gz"))
    _, output = predict(folder, "--channel-order", "FLAIR,-,T1ce")
    _, expected = predict(input_folder("case", [1, 3]), output="expected")
    assert np.array_equal(labels_of(output, "case"), labels_of(expected, "case"))


def test_an_empty_channel_counts_as_absent_with_a_warning(predict, input_folder, capsys):
    folder = input_folder("case", [1, 3])
    zeros = SimpleITK.ReadImage(str(folder / "case_0003.nii.gz")) * 0
    SimpleITK.WriteImage(zeros, str(folder / "case_0003.nii.gz"))
    _, output = predict(folder)
    assert sidecar_of(output, "case")["modalities"]["used"] == ["T1ce"]
    assert "FLAIR" in sidecar_of(output, "case")["warnings"][0]
    assert "warning" in capsys.readouterr().out


def test_a_dedicated_model_gets_its_subset_and_refuses_less(predict, input_folder, trained_model, capsys):
    model = trained_model("nnUNetTrainerModalityDropout_1epoch", settings={"fixed_subset": "T1ce,FLAIR"})
    input_folder("less", [1])
    folder = input_folder("more", range(4))
    code, output = predict(folder, "--on-error", "skip", model=model)
    assert code == NOT_ALL_DONE
    assert sidecar_of(output, "more")["modalities"]["used"] == ["T1ce", "FLAIR"]
    assert "less: has T1ce" in capsys.readouterr().out.replace("less: less", "less")


# --- bad input -------------------------------------------------------------------------------------------------------


def spoil_geometry(folder: Path) -> None:
    image = SimpleITK.ReadImage(str(folder / "bad_0003.nii.gz"))
    image.SetSpacing((1.0, 1.0, 2.0))
    SimpleITK.WriteImage(image, str(folder / "bad_0003.nii.gz"))


def truncate(folder: Path) -> None:
    file = folder / "bad_0003.nii.gz"
    file.write_bytes(file.read_bytes()[:2000])


def give_labels(folder: Path) -> None:
    image = SimpleITK.ReadImage(str(folder / "bad_0003.nii.gz"))
    SimpleITK.WriteImage(SimpleITK.Cast(image > 0, SimpleITK.sitkUInt8), str(folder / "bad_0003.nii.gz"))


def give_nan(folder: Path) -> None:
    image = SimpleITK.Cast(SimpleITK.ReadImage(str(folder / "bad_0003.nii.gz")), SimpleITK.sitkFloat32)
    image[5, 5, 5] = float("nan")
    SimpleITK.WriteImage(image, str(folder / "bad_0003.nii.gz"))


def misspell(folder: Path) -> None:
    (folder / "bad_0003.nii.gz").rename(folder / "bad_FLIAR.nii.gz")


def double(folder: Path) -> None:
    shutil.copy(folder / "bad_0003.nii.gz", folder / "bad_flair.nii.gz")


def give_a_fifth_channel(folder: Path) -> None:
    (folder / "bad_0003.nii.gz").rename(folder / "bad_0004.nii.gz")


SPOILT = (spoil_geometry, truncate, give_labels, give_nan, misspell, double, give_a_fifth_channel)


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda function: function.__name__)
def test_bad_input_stops_before_any_work(predict, input_folder, spoil, capsys):
    input_folder("good", [1, 3])
    folder = input_folder("bad", [1, 3])
    spoil(folder)
    code, output = predict(folder)
    assert code == 1
    assert not output.exists()
    assert "nothing was predicted" in (error := capsys.readouterr().err)
    assert "bad" in error
    assert "--on-error skip" in error


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda function: function.__name__)
def test_bad_input_can_be_skipped_but_is_not_passed_over(predict, input_folder, spoil, capsys):
    input_folder("good", [1, 3])
    folder = input_folder("bad", [1, 3])
    spoil(folder)
    code, output = predict(folder, "--on-error", "skip")
    assert code == NOT_ALL_DONE
    assert (output / "good.nii.gz").is_file()
    assert not (output / "bad.nii.gz").exists()
    assert "not predicted:" in (printed := capsys.readouterr().out)
    assert "bad" in printed.split("not predicted:")[1]
    manifest = json.loads((output / "mstkd_run.json").read_text())
    assert manifest["cases"]["good"]["status"] == "done"
    assert "refused" in {entry["status"] for entry in manifest["cases"].values()}


def test_check_alone_predicts_nothing(predict, input_folder, capsys):
    folder = input_folder("bad", [1, 3])
    assert predict(folder, "--check")[0] == 0
    misspell(folder)
    code, output = predict(folder, "--check")
    assert code == 1
    assert not output.exists()
    assert "FLIAR" in capsys.readouterr().out


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
        (("-num_parts", 2, "-part_id", 2), "-part_id must be 0 to 1"),
        (("-step_size", 0), "step_size must be above 0"),
        (("-npp", -1), "-npp and -nps must not be negative"),
        (("-d", 901, "-c", "3d_fullres"), "either by -m FOLDER or by -d"),
    ],
)
def test_a_wrong_option_is_named(predict, input_folder, options, says, capsys):
    assert predict(input_folder("case", [1]), *options)[0] == 1
    assert says in capsys.readouterr().err


def test_an_output_among_the_images_is_refused(predict, input_folder, capsys):
    """The next run would take segmentations for images."""
    assert predict(input_folder("case", [1]), output="input/output")[0] == 1
    assert "lies in the input folder" in capsys.readouterr().err


def test_a_folder_that_is_no_model_is_named(predict, input_folder, tmp_path, capsys):
    assert predict(input_folder("case", [1]), model=tmp_path)[0] == 1
    assert f"{tmp_path} is no model folder of nnU-Net: it has no plans.json" in capsys.readouterr().err


# --- what is written, and going on -----------------------------------------------------------------------------------


def test_the_sidecar_says_what_was_done(predict, input_folder, trained_model):
    folder = input_folder("case", [1, 3])
    _, output = predict(folder)
    record = sidecar_of(output, "case")
    assert record["files"]["T1ce"]["file"] == str(folder / "case_0001.nii.gz")
    assert set(record["files"]) == {"T1ce", "FLAIR"}
    assert record["model"]["trainer"] == "nnUNetTrainerMSTKD_1epoch"
    assert record["model"]["configuration"] == "3d_fullres"
    assert record["inference"]["device"] == "cpu"
    assert record["confidence"]["known"] is False
    assert {"nnunetv2", "torch", "nnunetv2_mstkd"} <= set(record["versions"])
    assert record["seconds"] > 0


def test_the_models_own_benchmark_is_quoted(predict, input_folder, trained_model, tmp_path):
    model = Path(shutil.copytree(trained_model(), tmp_path / trained_model().name))
    dice = {"whole_tumor": {"mean_dice": 0.81, "cases": 12}}
    (model / "mstkd_benchmark.json").write_text(json.dumps({"subsets": {"T1ce+FLAIR": dice}}))
    input_folder("known", [1, 3])
    _, output = predict(input_folder("unknown", [1]), model=model)
    assert sidecar_of(output, "known")["confidence"]["regions"] == dice
    assert sidecar_of(output, "unknown")["confidence"]["known"] is False


def test_parts_share_the_cases(predict, input_folder):
    for i in range(3):
        folder = input_folder(f"case{i}", [i])
    for part in (0, 1):
        assert predict(folder, "-num_parts", 2, "-part_id", part)[0] == 0
    _, output = predict(folder, "--continue_prediction")
    manifest = json.loads((output / "mstkd_run.json").read_text())
    assert {entry["status"] for entry in manifest["cases"].values()} == {"done before"}
    assert len(manifest["cases"]) == 3


def test_only_what_is_finished_from_the_same_input_is_trusted(predict, input_folder):
    for case in ("same", "other_input", "damaged", "no_record"):
        folder = input_folder(case, [1, 3])
    _, output = predict(folder)
    (folder / "other_input_0003.nii.gz").unlink()
    (output / "damaged.nii.gz").write_bytes(b"half")
    (output / "no_record.json").unlink()
    times = {file.name: file.stat().st_mtime_ns for file in output.glob("*.nii.gz")}
    assert predict(folder, "--continue_prediction")[0] == 0
    again = {file.name for file in output.glob("*.nii.gz") if file.stat().st_mtime_ns != times[file.name]}
    assert again == {"other_input.nii.gz", "damaged.nii.gz", "no_record.nii.gz"}
    assert sidecar_of(output, "other_input")["modalities"]["used"] == ["T1ce"]


NO_SPACE = (OSError(errno.ENOSPC, "No space left on device"), OutputError("b.nii.gz could not be written whole"))


@pytest.mark.parametrize("error", NO_SPACE, ids=["said", "seen"])
def test_a_full_disk_leaves_the_finished_cases_whole(predict, input_folder, monkeypatch, capsys, error):
    """Not every writer says so: what it wrote is read back."""
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    save = Prediction.save

    def disk_full(prediction, file):
        if Path(file).name == "b.nii.gz":
            raise error
        save(prediction, file)

    monkeypatch.setattr(Prediction, "save", disk_full)
    code, output = predict(folder, "--on-error", "skip")
    assert code == 1
    assert "is full. Finished cases are whole" in capsys.readouterr().err
    assert sidecar_of(output, "a")["case"] == "a"
    assert not list(output.glob("b.*")) + list(output.glob(".partial*"))


def test_a_killed_run_goes_on(input_folder, trained_model, tmp_path, external_trainers):
    for i in range(6):
        folder = input_folder(f"case{i}", [1, 3])
    output = tmp_path / "output"
    command = [str(Path(sys.executable).with_name("mstkd")), "predict"]
    command += ["-m", str(trained_model()), "-i", str(folder), "-o", str(output), "-device", "cpu"]
    environment = {**os.environ, **external_trainers}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (output / "case1.json").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {file.stem: file.read_text() for file in output.glob("case*.json")}
    assert finished
    for case in finished:
        labels_of(output, case)
    subprocess.run([*command, "--continue_prediction"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert {file.name for file in output.glob("case*.nii.gz")} == {f"case{i}.nii.gz" for i in range(6)}
    assert all((output / f"{case}.json").read_text() == text for case, text in finished.items())
