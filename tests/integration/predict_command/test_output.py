"""What `mstkd predict` writes, and what of it a later run takes as finished."""

import json
import shutil
from pathlib import Path

import pytest
import SimpleITK
from prediction_folder import manifest_of, sidecar_of

from nnunetv2_mstkd.inference import result_identity

pytestmark = pytest.mark.slow


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


def test_nothing_of_an_earlier_run_lies_beside_new_labels(predict, input_folder):
    folder = input_folder("case", [1])
    _, output = predict(folder, "--save_probabilities")
    assert {file.name for file in output.glob("case.*")} == {
        f"case.{e}" for e in ("nii.gz", "npz", "pkl", "mstkd.json")
    }
    predict(folder)
    assert {file.name for file in output.glob("case.*")} == {"case.nii.gz", "case.mstkd.json"}


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


def test_a_mended_plans_json_has_cases_predicted_again(predict, input_folder, random_model):
    folder, model = input_folder("case", [1, 3]), random_model()
    _, output = predict(folder, model=model)
    plans = json.loads((model / "plans.json").read_text())
    (model / "plans.json").write_text(json.dumps({**plans, "note": "mended"}))
    for expected in ("done", "done before"):
        assert predict(folder, "--continue_prediction", model=model)[0] == 0
        assert manifest_of(output)["cases"]["case"]["status"] == expected


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
    monkeypatch.setattr(result_identity, "input_facts", lambda case, *_: read.append(case.name) or {})
    predict(folder, "--continue_prediction", "--check")
    assert read == ["a"]
