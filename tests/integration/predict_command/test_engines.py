"""A run that goes on takes for finished what `auto` may have predicted."""

import shutil
from pathlib import Path

import pytest
from prediction_folder import manifest_of, sidecar_of

from nnunetv2_mstkd.inference.engines import agreement, choice
from nnunetv2_mstkd.inference.engines.torch_engine import TorchBFloat16

pytestmark = pytest.mark.slow

BF16, FP32 = "torch-bfloat16", "torch-float32"


@pytest.fixture
def model(trained_model, tmp_path):
    """A copy of a model folder, into which engines may write."""
    return Path(shutil.copytree(trained_model(), tmp_path / "model" / trained_model().name))


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    """Let `auto` begin with torch-bfloat16."""
    monkeypatch.setattr(choice, "fastest_engine", lambda: BF16)
    monkeypatch.setattr(choice, "bfloat16_units", lambda: ("AMX",))


@pytest.fixture
def going_on(predict, input_folder, model):
    """Return a function that predicts a case, goes on, and gives what became of it and the engine that predicted it."""
    folder = input_folder("case", [1, 3])

    def run(*options: str) -> tuple[str, str]:
        assert predict(folder, *options, model=model)[0] == 0
        code, output = predict(folder, "--continue_prediction", model=model)
        assert code == 0
        return manifest_of(output)["cases"]["case"]["status"], sidecar_of(output, "case")["inference"]["engine"]

    return run


def test_what_another_engine_predicted_as_one_broke_is_not_predicted_again(going_on, monkeypatch):
    def broken(*_args):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(TorchBFloat16, "__init__", broken)
    assert going_on() == ("done before", FP32)


def test_what_is_not_of_the_engine_that_is_known_to_be_good_enough_is_predicted_again(
    going_on, predict, input_folder, model, monkeypatch
):
    monkeypatch.setattr(agreement, "LEAST_DICE", 0.0)
    monkeypatch.setattr(agreement, "CLEAR_MARGIN", 1e9)
    monkeypatch.setattr(agreement, "TELLING_VOXELS", 0)
    predict(input_folder("case", [1, 3]), model=model, output="of_auto")
    assert going_on("--engine", FP32) == ("done", BF16)


def test_an_engine_that_is_asked_for_takes_nothing_of_another_one(predict, input_folder, model):
    folder = input_folder("case", [1, 3])
    predict(folder, "--engine", FP32, model=model)
    _, output = predict(folder, "--engine", BF16, "--continue_prediction", model=model)
    assert manifest_of(output)["cases"]["case"]["status"] == "done"
    assert sidecar_of(output, "case")["inference"]["engine"] == BF16
