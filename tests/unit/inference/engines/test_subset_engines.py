"""Engines of a real model with an encoder for each modality: its network is another one for each subset."""

import json
import shutil

import pytest
import torch

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.inference.engines import choice, engine_predictor
from nnunetv2_mstkd.inference.engines.engine_cache import FOLDER
from nnunetv2_mstkd.inference.engines.engine_predictor import build_predictor
from nnunetv2_mstkd.inference.engines.torch_engine import TorchBFloat16
from nnunetv2_mstkd.inference.modality_encoders import seen_channels
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.modalities import Modalities

pytestmark = pytest.mark.slow

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
RIGHT, WRONG = MODALITIES.subset("T1,T2"), MODALITIES.subset("FLAIR")
CPU = torch.device("cpu")
BF16, FP32 = "torch-bfloat16", "torch-float32"


@pytest.fixture
def folder(trained_model, find_trainer, tmp_path):
    """A copy of a model folder, into which engines may write."""
    trained = trained_model("nnUNetTrainerRMBTS_1epoch")
    return shutil.copytree(trained, tmp_path / "model" / trained.name)


@pytest.fixture(autouse=True)
def _wrong_given_one_subset(monkeypatch):
    """Let `auto` begin with torch-bfloat16, which is exact, but decides the opposite of everything given WRONG."""

    def call(self, tiles):
        logits = self._network(tiles)
        return -logits if seen_channels(self._network) == WRONG.channels else logits

    monkeypatch.setattr(TorchBFloat16, "__call__", call)
    monkeypatch.setattr(choice, "fastest_engine", lambda: BF16)
    monkeypatch.setattr(choice, "bfloat16_units", lambda: ("AMX",))
    monkeypatch.setattr(engine_predictor, "available_cores", lambda: 1)  # sums are rounded by how they are shared


def logits_of(predictor, image, subset):
    predictor.see(subset)
    return predictor.predict_logits_from_preprocessed_data(image).float()


def test_a_subset_whose_engine_is_wrong_is_predicted_by_another_one(folder):
    warnings = []
    model = load_model(folder)
    predictor = build_predictor(model, CPU, mirroring=False, warn=warnings.append)
    reference = build_predictor(load_model(folder), CPU, engine=FP32, mirroring=False, warn=pytest.fail)
    image = torch.randn(4, *(int(size) for size in model.configuration.patch_size))
    engines = []
    for subset in (RIGHT, WRONG, RIGHT):
        found, expected = (logits_of(each, image, subset) for each in (predictor, reference))
        torch.testing.assert_close(found, expected, atol=0.02, rtol=0)  # summed in float16
        engines.append(predictor.engine)
    assert engines == [BF16, FP32, BF16]
    assert len(warnings) == 1
    kept = sorted(file.name.split(".", 3)[3] for file in (folder / "fold_0" / FOLDER).iterdir())
    assert kept == ["channels_0_2.agreement.json", "channels_3.agreement.json"]


def test_predict_says_and_records_the_engine_of_each_subset(folder, make_dataset, tmp_path, capsys):
    dataset, images, output = make_dataset("regions"), tmp_path / "images", tmp_path / "output"
    images.mkdir()
    files = dataset.test_files(dataset.test_cases[0])
    for name, subset in {"a": RIGHT, "b": WRONG, "c": RIGHT}.items():
        for channel in subset.channels:
            shutil.copy(files[channel], images / f"{name}_{channel:04d}.nii.gz")
    command = ["predict", "-m", folder, "-i", images, "-o", output, "-device", "cpu", "--disable_tta"]
    assert main(list(map(str, command))) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("engine ")]
    assert [line.split(":")[0] for line in said] == [f"engine {BF16}", f"engine {BF16}", f"engine {FP32}"]
    assert "by a margin above 1: 0" in said[1]
    assert said[1].endswith(", given T1+T2")
    assert f"{BF16} is not good enough for this model, given FLAIR" in said[2]
    records = [json.loads((output / f"{name}.mstkd.json").read_text()) for name in "abc"]
    assert [record["inference"]["engine"] for record in records] == [BF16, FP32, BF16]
    assert json.loads((output / "mstkd_run.json").read_text())["inference"]["engine"] == f"{BF16}, {FP32}"

    assert main([*map(str, command), "--continue_prediction"]) == 0
    cases = json.loads((output / "mstkd_run.json").read_text())["cases"]
    assert {name: case["status"] for name, case in cases.items()} == dict.fromkeys("abc", "done before")
