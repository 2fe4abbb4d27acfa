"""Choosing an engine on a real model folder, by what its network says of the first case."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.engines import agreement, choice, engine_predictor, engine_trials
from nnunetv2_mstkd.inference.engines.engine_cache import FOLDER
from nnunetv2_mstkd.inference.engines.engine_predictor import build_predictor
from nnunetv2_mstkd.inference.engines.torch_engine import TorchBFloat16
from nnunetv2_mstkd.inference.model import load_model

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
BF16 = "torch-bfloat16"


@pytest.fixture
def folder(trained_model, find_trainer, tmp_path):
    """A copy of a model folder with two folds, into whose folders engines may write."""
    trained = trained_model("nnUNetTrainerModalityDropout_1epoch", folds=(0, 1))
    return shutil.copytree(trained, tmp_path / "model" / trained.name)


@pytest.fixture
def predictor(folder, monkeypatch):
    """Return a function that builds a predictor, with the lines that it warned of."""

    def build(engine="auto", fastest=BF16, folds=(0,), mirroring=False):
        monkeypatch.setattr(choice, "fastest_engine", lambda: fastest)
        monkeypatch.setattr(choice, "bfloat16_units", lambda: ("AMX",))
        monkeypatch.setattr(engine_predictor, "available_cores", lambda: 1)  # sums are rounded by how they are shared
        warnings = []
        made = build_predictor(load_model(folder, folds), CPU, engine=engine, mirroring=mirroring, warn=warnings.append)
        made.warnings = warnings
        return made

    return build


@pytest.fixture
def bounds(monkeypatch):
    """Return a function that lets engines agree or not, whatever they compute."""

    def set_bounds(agree: bool) -> None:
        monkeypatch.setattr(agreement, "LEAST_DICE", 0.0 if agree else 1.1)
        monkeypatch.setattr(agreement, "MOST_VOXELS", -1)
        monkeypatch.setattr(agreement, "CLEAR_MARGIN", 1e9)

    return set_bounds


@pytest.fixture
def image(predictor):
    """A case (4, *S) that takes several tiles, the first of them background."""
    patch = predictor("torch-float32").configuration_manager.patch_size
    found = torch.randn(4, *(2 * int(n) for n in patch))
    found[:, : patch[0], : patch[1], : patch[2]] = 0
    return found


def logits_of(predictor, image):
    return predictor.predict_logits_from_preprocessed_data(image).float()


def test_an_engine_that_agrees_is_taken_and_remembered(predictor, image, bounds, folder, monkeypatch):
    bounds(agree=True)
    first = predictor()
    assert first.engine == BF16
    found = logits_of(first, image)
    assert first.engine == BF16
    assert "with torch in float32 in the region that agrees least" in first.choice.reason
    assert first.warnings == []
    assert [file.name.split(".")[:2] for file in (folder / "fold_0" / FOLDER).iterdir()] == [["checkpoint_final", BF16]]
    monkeypatch.setattr(engine_trials, "compare", None)  # the next run compares nothing
    again = predictor()
    assert again.choice == first.choice
    assert torch.equal(logits_of(again, image), found)


def test_an_engine_that_disagrees_is_not_taken_and_this_is_said(predictor, image, bounds):
    bounds(agree=False)
    first = predictor()
    found = logits_of(first, image)
    assert first.engine == "torch-float32"
    assert torch.equal(found, logits_of(predictor("torch-float32"), image))
    (warning,) = first.warnings
    assert f"{BF16} is not good enough for this model" in warning
    assert "torch-float32 takes its place" in warning
    again = predictor()  # knows before the first case
    assert again.engine == "torch-float32"
    assert len(again.warnings) == 1


def test_openvino_in_float32_is_tried_before_torch(predictor, image, bounds, monkeypatch):
    pytest.importorskip("openvino")
    bounds(agree=True)
    original = engine_trials.compare

    def compare(reference, logits, *, has_regions):
        found = original(reference, logits, has_regions=has_regions)
        return found if (reference - logits).abs().max() < 1e-3 else replace(found, dice=-1.0, voxels=9)

    monkeypatch.setattr(engine_trials, "compare", compare)
    first = predictor(fastest="openvino-bfloat16")
    logits_of(first, image)
    assert first.engine == "openvino-float32"
    assert len(first.warnings) == 1
    assert "openvino-float32 takes its place" in first.warnings[0]
    monkeypatch.setattr(engine_trials, "compare", None)
    assert predictor(fastest="openvino-bfloat16").engine == "openvino-float32"  # remembered


def test_an_engine_that_breaks_is_not_taken_and_the_reason_is_said(predictor, image, monkeypatch, folder):
    def broken(*_args):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(TorchBFloat16, "__call__", broken)
    made = predictor()
    found = logits_of(made, image)
    assert made.engine == "torch-float32"
    assert "does not run here: RuntimeError: no such instruction" in made.warnings[0]
    assert torch.equal(found, logits_of(predictor("torch-float32"), image))
    assert not (folder / "fold_0" / FOLDER).exists()  # it may run another time


def test_an_engine_that_is_asked_for_is_taken_as_it_is(predictor, image, bounds):
    bounds(agree=False)
    made = predictor(BF16)
    logits_of(made, image)
    assert (made.engine, made.warnings) == (BF16, [])


def test_a_case_of_background_alone_does_not_tell(predictor, image, bounds, monkeypatch):
    bounds(agree=True)
    made = predictor()
    original = engine_trials.compare

    def compare(*args, **kwargs):
        return replace(original(*args, **kwargs), region_voxels=(0, 0, 0))

    with monkeypatch.context() as patch:
        patch.setattr(engine_trials, "compare", compare)
        logits_of(made, image)
    assert made.choice.agreement is None
    logits_of(made, image)
    assert "with torch in float32" in made.choice.reason  # the second case told


def test_a_fold_beyond_the_first_is_not_compared(predictor, image, monkeypatch, folder):
    made, expected = predictor(folds=(0, 1)), logits_of(predictor(BF16, folds=(0, 1)), image)
    compared = []

    def compare(*_args, **_kwargs):
        compared.append(made._engine_network.fold)
        # the second fold's would not be good enough
        return agreement.Agreement(float(not compared[-1]), 9, 0, (100 * compared[-1],))

    monkeypatch.setattr(engine_trials, "compare", compare)
    assert torch.equal(logits_of(made, image), expected)
    assert (made.engine, made.warnings, compared) == (BF16, [], [0])
    assert not (folder / "fold_0" / FOLDER).exists()  # the first fold found nothing: the question is open


def test_with_mirroring_means_over_mirror_images_are_compared(predictor, image, bounds, monkeypatch, folder):
    bounds(agree=True)
    compared = []
    original = engine_trials.compare
    monkeypatch.setattr(engine_trials, "compare", lambda *a, **k: compared.append(a) or original(*a, **k))
    made = predictor(mirroring=True)
    tiles = []
    with torch.no_grad():
        made.network.register_forward_hook(lambda _network, given, _logits: tiles.append(given[0].clone()))
        logits_of(made, image)
    reference = predictor("torch-float32", mirroring=True)
    with torch.inference_mode():  # the engine saw the tile of the comparison last, mirrored along all axes
        expected = reference._internal_maybe_mirror_and_predict(tiles[-1].flip(2, 3, 4))
    ((found, logits),) = compared
    torch.testing.assert_close(found, expected)
    assert not torch.equal(logits, found)
    (kept,) = (folder / "fold_0" / FOLDER).iterdir()
    assert kept.name.endswith(".mirrored_agreement.json")
    monkeypatch.setattr(engine_trials, "compare", None)
    assert predictor(mirroring=True).choice == made.choice
    assert predictor().choice.agreement is None


def test_folds_and_mirroring_are_nnunets_own(predictor, image, folder):
    """torch-float32 is nnU-Net's predictor bit for bit; OpenVINO is as near as float16, in which logits are summed."""
    model = load_model(folder, (0, 1))
    stock = nnUNetPredictor(device=CPU, allow_tqdm=False)
    settings = model.plans, model.configuration, model.weights, model.dataset_json, "", model.mirroring_axes
    stock.manual_initialization(model.network, *settings)
    expected = stock.predict_logits_from_preprocessed_data(image).float()
    assert torch.equal(logits_of(predictor("torch-float32", folds=(0, 1), mirroring=True), image), expected)

    pytest.importorskip("openvino")
    rounding = 0.1 * expected.std()  # a mirrored axis that is not mirrored back differs by several times all of it
    for _ in range(2):  # compiled, and as it was kept
        found = logits_of(predictor("openvino-float32", folds=(0, 1), mirroring=True), image)
        np.testing.assert_allclose(found, expected, atol=rounding)
    for fold in (0, 1):
        assert len(list((folder / f"fold_{fold}" / FOLDER).glob("*.openvino-float32.*.compiled"))) == 1


@pytest.mark.parametrize("damage", ["half of it", "one byte"])
def test_a_compiled_network_that_is_damaged_is_made_anew(predictor, image, folder, damage):
    pytest.importorskip("openvino")
    expected = logits_of(predictor("openvino-float32"), image)
    (kept,) = (folder / "fold_0" / FOLDER).glob("*.compiled")
    content = kept.read_bytes()
    middle = len(content) // 2
    changed = content[:middle]
    if damage == "one byte":
        changed += bytes([content[middle] ^ 0x40]) + content[middle + 1 :]
    kept.write_bytes(changed)
    assert torch.equal(logits_of(predictor("openvino-float32"), image), expected)
    assert kept.stat().st_size > 0.9 * len(content)
    assert kept.read_bytes() != changed


def test_every_core_is_used_and_the_callers_number_comes_back(predictor, image, monkeypatch):
    made, seen = predictor("torch-float32"), []
    monkeypatch.setattr(engine_predictor, "available_cores", lambda: 2)
    made.network.register_forward_hook(lambda *_args: seen.append(torch.get_num_threads()))
    logits_of(made, image)
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1


def test_an_engine_that_is_warm_is_not_made_again(predictor, image, monkeypatch):
    made = []
    original = TorchBFloat16.__init__
    monkeypatch.setattr(TorchBFloat16, "__init__", lambda *args: made.append(1) or original(*args))
    warm = predictor(BF16)
    warm.warm_up()
    assert len(made) == 1
    logits_of(warm, image)
    assert len(made) == 1


def test_what_stops_an_engine_is_told_by_the_first_case_and_not_before(predictor, image, monkeypatch):
    def broken(*_args):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(TorchBFloat16, "__init__", broken)
    named = predictor(BF16)
    named.warm_up()
    with pytest.raises(RuntimeError, match="no such instruction"):
        logits_of(named, image)


def test_a_benchmark_of_many_subsets_chooses_alike(predictor, image, bounds, folder):
    bounds(agree=True)
    predictor()  # sets what this machine has
    model = load_model(folder, (0,))
    subsets = [model.modalities.subset(text) for text in ("T1", "T1ce,FLAIR")]
    warnings = []
    many = SubsetPredictor(model, CPU, mirroring=False, warn=warnings.append)
    logits = many.predict_logits(image, subsets).float()
    assert (many.engine, warnings) == (BF16, [])
    for subset, found in zip(subsets, logits, strict=True):
        masked = image * torch.tensor(subset.present)[:, None, None, None]
        np.testing.assert_allclose(found, logits_of(predictor(BF16), masked), atol=0.05)
