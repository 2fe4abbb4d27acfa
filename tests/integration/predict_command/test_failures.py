"""What `mstkd predict` keeps where a case fails, or the disk is full."""

import errno
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK
import torch
from prediction_folder import labels_of, manifest_of, sidecar_of

from nnunetv2_mstkd.cli.predict import NOT_ALL_DONE
from nnunetv2_mstkd.inference.image_reader import ImageReader
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.run_record import Manifest

pytestmark = pytest.mark.slow


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


def no_space(file: Path) -> None:
    file.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def other_labels(file: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(file)) + 1, str(file))


def spoil_b(patch: pytest.MonkeyPatch, spoil: Callable[[Path], None]) -> None:
    """Let the labels of the case b be spoilt when they are written."""
    write = ImageReader.write_label_map

    def write_and_spoil(reader, labels, file, properties):
        write(reader, labels, file, properties)
        if file.name.endswith("_b.nii.gz"):
            spoil(file)

    patch.setattr(ImageReader, "write_label_map", write_and_spoil)


@pytest.mark.parametrize("spoil", [no_space, half, other_labels], ids=lambda function: function.__name__)
def test_a_full_disk_leaves_the_finished_cases_whole(predict, input_folder, monkeypatch, capsys, spoil):
    """Not every writer says so: what it wrote is read back."""
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    _, expected = predict(folder, output="expected")
    with monkeypatch.context() as patch:
        spoil_b(patch, spoil)
        patch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
        code, output = predict(folder, "--on-error", "skip")
    assert code == 1
    assert "is full. Finished cases are whole" in capsys.readouterr().err
    assert sidecar_of(output, "a")["case"] == "a"
    assert np.array_equal(labels_of(output, "a"), labels_of(expected, "a"))
    assert not list(output.glob("b.*")) + list(output.glob(".partial*"))
    assert manifest_of(output)["status"] == "stopped"
    assert predict(folder, "--continue_prediction")[0] == 0
    assert manifest_of(output)["cases"]["a"]["status"] == "done before"


@pytest.mark.parametrize("spoil", [half, other_labels], ids=lambda function: function.__name__)
def test_labels_that_are_read_back_as_others_concern_their_case_alone(predict, input_folder, monkeypatch, spoil):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    spoil_b(monkeypatch, spoil)
    code, output = predict(folder, "--on-error", "skip")
    assert code == NOT_ALL_DONE
    assert "written and read back differ" in manifest_of(output)["cases"]["b"]["messages"][0]
    assert {file.name for file in output.glob("*.nii.gz")} == {"a.nii.gz", "c.nii.gz"}


def test_logits_that_are_no_numbers_are_no_background(predict, input_folder, random_model, capsys):
    model = random_model()
    file = model / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file)
    for weight in checkpoint["network_weights"].values():
        weight.fill_(torch.nan)
    torch.save(checkpoint, file)
    code, output = predict(input_folder("case", [0, 1, 2, 3]), model=model)
    assert code == 1
    assert "case failed: PredictionError: The network's logits are NaN or infinite" in capsys.readouterr().err
    assert not list(output.glob("case.*"))


@pytest.mark.parametrize("stage", ["prepare", "finish"])
def test_a_file_that_is_replaced_after_its_check_fails_the_case(predict, input_folder, monkeypatch, stage):
    input_folder("a", [1])
    folder = input_folder("b", [1])
    original, run, computed = getattr(MissingModalityPredictor, stage), [], []
    predict_logits = MissingModalityPredictor.predict_logits

    def replacing(predictor, given, *args, **options):
        if getattr(given, "check", given).case.name == "b":
            os.utime(folder / "b_0001.nii.gz", (0, 0))
        run.append(stage)
        return original(predictor, given, *args, **options)

    def computing(predictor, prepared):
        computed.append(prepared.check.case.name)
        return predict_logits(predictor, prepared)

    monkeypatch.setattr(MissingModalityPredictor, stage, replacing)
    monkeypatch.setattr(MissingModalityPredictor, "predict_logits", computing)
    code, output = predict(folder, "--on-error", "skip")
    assert code == NOT_ALL_DONE
    assert run == [stage, stage]
    assert computed == (["a"] if stage == "prepare" else ["a", "b"])  # no hour of work for nothing
    assert sidecar_of(output, "a")["case"] == "a"
    message = manifest_of(output)["cases"]["b"]["messages"][0]
    assert f"changed while it was predicted: {folder / 'b_0001.nii.gz'}; predict it again" in message
    assert not list(output.glob("b.*"))


def test_an_earlier_segmentation_of_a_case_that_fails_now_does_not_stay(predict, input_folder, fail_at, capsys):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1])
    predict(folder)
    (folder / "a_0001.nii.gz").write_bytes(b"no image")
    fail_at(0, RuntimeError("the network is tired"))
    code, output = predict(folder, "--on-error", "skip")
    assert code == NOT_ALL_DONE
    assert {file.name for file in output.glob("*.nii.gz")} == {"c.nii.gz"}
    told = capsys.readouterr()
    assert "a: removed a.nii.gz, of an earlier run" in told.out
    assert "the network is tired; removed b.nii.gz, of an earlier run" in told.out + told.err
    assert "removed b.nii.gz, of an earlier run" in manifest_of(output)["cases"]["b"]["messages"]
