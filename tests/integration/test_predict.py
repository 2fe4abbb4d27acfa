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
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.cli.predict import NOT_ALL_DONE
from nnunetv2_mstkd.inference import folder_prediction
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.run_record import Manifest
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
    return json.loads((folder / f"{case}.mstkd.json").read_text())


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "mstkd_run.json").read_text())


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
    manifest = manifest_of(output)
    assert manifest["status"] == "finished"
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


def test_the_configuration_is_the_checkpoints_whatever_the_folders_name(predict, input_folder, trained_model, tmp_path):
    model = Path(shutil.copytree(trained_model(), tmp_path / "my_model"))
    _, output = predict(input_folder("case", [1]), model=model)
    assert sidecar_of(output, "case")["model"]["configuration"] == "3d_fullres"


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
    manifest = manifest_of(output)
    assert {entry["status"] for entry in manifest["cases"].values()} == {"done before"}
    assert len(manifest["cases"]) == 3


def test_only_what_is_finished_from_the_same_input_is_trusted(predict, input_folder):
    for case in ("same", "other_input", "damaged", "no_record"):
        folder = input_folder(case, [1, 3])
    _, output = predict(folder)
    (folder / "other_input_0003.nii.gz").unlink()
    (output / "damaged.nii.gz").write_bytes(b"half")
    (output / "no_record.mstkd.json").unlink()
    times = {file.name: file.stat().st_mtime_ns for file in output.glob("*.nii.gz")}
    assert predict(folder, "--continue_prediction")[0] == 0
    again = {file.name for file in output.glob("*.nii.gz") if file.stat().st_mtime_ns != times[file.name]}
    assert again == {"other_input.nii.gz", "damaged.nii.gz", "no_record.nii.gz"}
    assert sidecar_of(output, "other_input")["modalities"]["used"] == ["T1ce"]


def test_a_case_with_an_empty_channel_is_finished_too(predict, input_folder):
    folder = input_folder("case", [1, 3])
    zeros = SimpleITK.ReadImage(str(folder / "case_0003.nii.gz")) * 0
    SimpleITK.WriteImage(zeros, str(folder / "case_0003.nii.gz"))
    _, output = predict(folder)
    assert predict(folder, "--continue_prediction")[0] == 0
    assert manifest_of(output)["cases"]["case"]["status"] == "done before"


def test_going_on_with_input_that_cannot_be_read_is_no_crash(predict, input_folder, capsys):
    input_folder("a", [1, 3])
    folder = input_folder("b", [1, 3])
    _, output = predict(folder)
    before = {file.name: file.read_bytes() for file in output.glob("b.*")}
    (folder / "b_0003.nii.gz").unlink()
    (folder / "b_0003.nii.gz").symlink_to(folder / "nowhere.nii.gz")
    assert predict(folder, "--continue_prediction")[0] == 1
    assert "b_0003.nii.gz" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in output.glob("b.*")} == before


def test_images_of_new_cases_are_not_read_to_learn_whether_they_are_finished(predict, input_folder, monkeypatch):
    folder = input_folder("a", [1])
    predict(folder)
    input_folder("b", [1])
    read = []
    monkeypatch.setattr(folder_prediction, "input_facts", lambda case, modalities: read.append(case.name) or {})
    predict(folder, "--continue_prediction", "--check")
    assert read == ["a"]


def test_nothing_of_an_earlier_run_lies_beside_new_labels(predict, input_folder):
    folder = input_folder("case", [1])
    _, output = predict(folder, "--save_probabilities")
    assert {file.name for file in output.glob("case.*")} == {
        f"case.{e}" for e in ("nii.gz", "npz", "pkl", "mstkd.json")
    }
    predict(folder)
    assert {file.name for file in output.glob("case.*")} == {"case.nii.gz", "case.mstkd.json"}


def test_the_manifest_has_every_problem_of_a_case(predict, input_folder):
    input_folder("good", [1])
    folder = input_folder("bad", [1, 3])
    for channel in (1, 3):
        (folder / f"bad_000{channel}.nii.gz").write_bytes(b"no image")
    _, output = predict(folder, "--on-error", "skip")
    entry = manifest_of(output)["cases"]["bad"]
    assert entry["status"] == "refused"
    assert [name in message for name, message in zip(("T1ce", "FLAIR"), entry["messages"], strict=True)] == [True] * 2


@pytest.fixture
def fail_at(monkeypatch):
    """Return a function that lets the network fail at the case of that number, from 0."""

    def fail(number: int, error: BaseException) -> None:
        predict_logits, calls = MissingModalityPredictor.predict_logits, []

        def failing(predictor, prepared):
            calls.append(prepared)
            if len(calls) == number + 1:
                raise error
            return predict_logits(predictor, prepared)

        monkeypatch.setattr(MissingModalityPredictor, "predict_logits", failing)

    return fail


def test_a_failing_case_stops_the_run_and_what_is_computed_is_kept(predict, input_folder, fail_at, capsys):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    fail_at(1, RuntimeError("the network is tired"))
    code, output = predict(folder)
    assert code == 1
    assert "b failed: RuntimeError: the network is tired. Finished cases are kept" in capsys.readouterr().err
    assert sidecar_of(output, "a")["case"] == "a"
    assert not list(output.glob("c.*"))
    assert manifest_of(output)["status"] == "stopped"
    assert manifest_of(output)["cases"]["b"] == {"status": "failed", "messages": ["RuntimeError: the network is tired"]}


def test_what_is_computed_is_written_before_an_error_is_shown(predict, input_folder, monkeypatch):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    write, predict_logits, write_manifest = (
        ImageReader.write_label_map,
        MissingModalityPredictor.predict_logits,
        Manifest.write,
    )
    computed, all_computed, at_the_end = [], threading.Event(), []

    def computing(predictor, prepared):
        logits = predict_logits(predictor, prepared)
        computed.append(prepared)
        if len(computed) == 3:
            all_computed.set()
        return logits

    def writing(reader, labels, file, properties):
        if file.name.endswith("_b.nii.gz"):
            assert all_computed.wait(30)
            raise ValueError("no format of mine")
        time.sleep(0.2 if file.name.endswith("_c.nii.gz") else 0)
        write(reader, labels, file, properties)

    def writing_manifest(manifest, status):
        if status == "stopped":
            at_the_end.extend(file.name for file in manifest.file.parent.glob("*.nii.gz"))
        write_manifest(manifest, status)

    monkeypatch.setattr(MissingModalityPredictor, "predict_logits", computing)
    monkeypatch.setattr(ImageReader, "write_label_map", writing)
    monkeypatch.setattr(Manifest, "write", writing_manifest)
    assert predict(folder)[0] == 1
    assert sorted(at_the_end) == ["a.nii.gz", "c.nii.gz"]


def test_a_failing_case_can_be_skipped(predict, input_folder, fail_at):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    fail_at(1, RuntimeError("the network is tired"))
    code, output = predict(folder, "--on-error", "skip")
    assert code == NOT_ALL_DONE
    manifest = manifest_of(output)
    assert manifest["status"] == "finished"
    assert {case: entry["status"] for case, entry in manifest["cases"].items()} == {
        "a": "done",
        "b": "failed",
        "c": "done",
    }


def test_ctrl_c_keeps_what_is_computed_and_says_how_to_go_on(predict, input_folder, fail_at, capsys):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    fail_at(1, KeyboardInterrupt())
    code, output = predict(folder)
    assert code == 1
    assert "--continue_prediction" in capsys.readouterr().err
    assert manifest_of(output)["status"] == "stopped"
    record = sidecar_of(output, "a")
    assert predict(folder, "--continue_prediction")[0] == 0
    assert sidecar_of(output, "a") == record
    assert {file.name for file in output.glob("*.nii.gz")} == {"a.nii.gz", "b.nii.gz", "c.nii.gz"}


def test_predictions_do_not_outlive_their_case(predict, input_folder, monkeypatch):
    """With probabilities one may take gigabytes."""
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    predictions, counts = [], []
    finish, predict_logits = MissingModalityPredictor.finish, MissingModalityPredictor.predict_logits

    def finishing(*args, **options):
        prediction = finish(*args, **options)
        predictions.append(weakref.ref(prediction))
        return prediction

    def counting(*args):
        counts.append(sum(prediction() is not None for prediction in predictions))
        return predict_logits(*args)

    monkeypatch.setattr(MissingModalityPredictor, "finish", finishing)
    monkeypatch.setattr(MissingModalityPredictor, "predict_logits", counting)
    assert predict(folder, "-npp", 0, "-nps", 0)[0] == 0
    assert counts == [0, 0, 0]


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


def no_space(file: Path) -> None:
    file.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def other_labels(file: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(file)) + 1, str(file))


@pytest.mark.parametrize("spoil", [no_space, half, other_labels], ids=lambda function: function.__name__)
def test_a_full_disk_leaves_the_finished_cases_whole(predict, input_folder, monkeypatch, capsys, spoil):
    """Not every writer says so: what it wrote is read back."""
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    _, expected = predict(folder, output="expected")
    write = ImageReader.write_label_map

    def write_on_a_full_disk(reader, labels, file, properties):
        write(reader, labels, file, properties)
        if file.name.endswith("_b.nii.gz"):
            spoil(file)

    with monkeypatch.context() as patch:
        patch.setattr(ImageReader, "write_label_map", write_on_a_full_disk)
        code, output = predict(folder, "--on-error", "skip")
    assert code == 1
    assert "is full. Finished cases are whole" in capsys.readouterr().err
    assert sidecar_of(output, "a")["case"] == "a"
    assert np.array_equal(labels_of(output, "a"), labels_of(expected, "a"))
    assert not list(output.glob("b.*")) + list(output.glob(".partial*"))
    assert manifest_of(output)["status"] == "stopped"
    assert predict(folder, "--continue_prediction")[0] == 0
    assert manifest_of(output)["cases"]["a"]["status"] == "done before"


def test_a_killed_run_goes_on(input_folder, trained_model, tmp_path, external_trainers):
    for i in range(6):
        folder = input_folder(f"case{i}", [1, 3])
    output = tmp_path / "output"
    command = [str(Path(sys.executable).with_name("mstkd")), "predict"]
    command += ["-m", str(trained_model()), "-i", str(folder), "-o", str(output), "-device", "cpu"]
    environment = {**os.environ, **external_trainers}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (output / "case1.mstkd.json").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = {file.name.removesuffix(".mstkd.json"): file.read_text() for file in output.glob("case*.mstkd.json")}
    assert 2 <= len(finished) < 6
    for case in finished:
        labels_of(output, case)
    subprocess.run([*command, "--continue_prediction"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert {file.name for file in output.glob("case*.nii.gz")} == {f"case{i}.nii.gz" for i in range(6)}
    assert all((output / f"{case}.mstkd.json").read_text() == text for case, text in finished.items())


@pytest.mark.parametrize("written", ["b.nii.gz", "b.mstkd.json"])
def test_a_kill_inside_a_write_leaves_no_half_case(input_folder, trained_model, tmp_path, external_trainers, written):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1, 3])
    output = tmp_path / "output"
    # killed at the last moment: all is written, under another name
    code = (
        "import os, sys\n"
        "replace, last = os.replace, sys.argv.pop(1)\n"
        "os.replace = lambda old, new: os.kill(os.getpid(), 9) if new.name == last else replace(old, new)\n"
        "from nnunetv2_mstkd.cli.main import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    arguments = ["-m", str(trained_model()), "-i", str(folder), "-o", str(output), "-device", "cpu"]
    arguments += ["--engine", "torch-float32"]  # of the processes that follow, too
    command = [sys.executable, "-c", code, written, "predict", *arguments]
    killed = subprocess.run(command, env={**os.environ, **external_trainers}, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(output.glob(f".partial_*_{written}"))
    assert not (output / written).exists()
    record = sidecar_of(output, "a")
    assert main(["predict", *arguments, "--continue_prediction"]) == 0
    assert sidecar_of(output, "a") == record
    for case in ("a", "b", "c"):
        assert sidecar_of(output, case)["outputs"].keys() == {f"{case}.nii.gz"}
        labels_of(output, case)


# --- models of strangers ---------------------------------------------------------------------------------------------


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
