"""Networks with an encoder for each modality: predicted by our commands, from Python and by nnU-Net's own predictor."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.distillation.settings import plans_section
from nnunetv2_mstkd.errors import ModalityError
from nnunetv2_mstkd.inference.benchmark.subset_prediction import SubsetPredictor
from nnunetv2_mstkd.inference.engines import engine_trials
from nnunetv2_mstkd.inference.engines.engine_cache import FOLDER
from nnunetv2_mstkd.inference.engines.engine_predictor import build_predictor
from nnunetv2_mstkd.inference.given_images import case_of_images
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor
from nnunetv2_mstkd.inference.modality_encoders import see_only, seen_channels
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.modalities import Modalities
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderTrainer

pytestmark = pytest.mark.slow

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
NAMES = tuple(name for name in trainers.TRAINERS if issubclass(getattr(trainers, name), MultiEncoderTrainer))
ONE = "nnUNetTrainerRMBTS"  # where the command matters, and not the network
SOME = tuple(map(MODALITIES.subset, ("T1ce,FLAIR", "T2", "T1,T1ce,T2,FLAIR")))
CPU = torch.device("cpu")


@pytest.fixture
def model(make_dataset, find_trainer, tmp_path, monkeypatch):
    """Return a function that writes a model folder of a trainer, with weights that are far from their initial ones."""
    monkeypatch.delenv("MSTKD_MODALITIES", raising=False)

    def make(name, folds=(0,)) -> Path:
        dataset = make_dataset("regions")
        trainer = find_trainer(name)
        plans = copy.deepcopy(dataset.plans)
        plans["mstkd"] = plans_section(trainer.default_settings, MODALITIES)
        folder = tmp_path / "models" / dataset.raw.name / f"{name}__{dataset.plans_name}__3d_fullres"
        manager = PlansManager(plans)
        for fold in folds:
            network = trainer.build_network_architecture(manager, manager.get_configuration("3d_fullres"), 4, 3, False)
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
            checkpoint = {"trainer_name": name, "init_args": {"configuration": "3d_fullres"}}
            checkpoint["network_weights"] = network.state_dict()
            (folder / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
            torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
        (folder / "plans.json").write_text(json.dumps(plans))
        (folder / "dataset.json").write_text(json.dumps(dataset.dataset_json))
        return folder

    return make


def given(files, subset):
    return {name: files[name] for name in subset.names}


def zero_filled(files, subset, folder):
    """Return a case's files for nnU-Net's own predictor, zeros in what the subset leaves out."""
    folder.mkdir(exist_ok=True)
    written = []
    for channel, (name, file) in enumerate(files.items()):
        image = SimpleITK.ReadImage(file)
        if name not in subset.names:
            zeros = SimpleITK.Image(image.GetSize(), image.GetPixelID())
            zeros.CopyInformation(image)
            image = zeros
        written.append(str(folder / f"case_{channel:04d}.nii.gz"))
        SimpleITK.WriteImage(image, written[-1])
    return written


def stock(folder, files, folds=(0,)):
    """Return labels and probabilities of nnU-Net's own predictor, as the environment has it."""
    predictor = nnUNetPredictor(use_mirroring=False, device=CPU, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    return predictor.predict_from_files_sequential([files], None, save_probabilities=True)[0]


def prepared_case(predictor, files, subset):
    case, loaded = case_of_images(given(files, subset), MODALITIES, predictor.reader)
    return predictor.prepare(predictor.check(case, loaded), loaded)


@pytest.mark.parametrize("name", NAMES)
def test_absent_files_zero_filled_files_and_masks_give_the_same_bits(model, files, tmp_path, monkeypatch, name):
    """`mstkd predict`, the stock command with the variable, and `mstkd benchmark`, one subset after another."""
    folder = model(name)
    predictor = MissingModalityPredictor(folder, device="cpu", mirroring=False)
    masked = SubsetPredictor(load_model(folder), CPU, mirroring=False)
    whole = prepared_case(predictor, files, MODALITIES.all)
    chunks = list(masked.chunks(SOME, whole.image.shape[1:]))
    assert chunks == [(subset,) for subset in SOME]
    found = []
    together = masked.predict_logits(whole.image, SOME)
    for subset, own in zip(SOME, together, strict=True):
        prepared = prepared_case(predictor, files, subset)
        assert torch.equal(predictor.predict_logits(prepared).float(), own.float()), str(subset)
        prediction = predictor.predict_case(given(files, subset), return_probabilities=True)
        with monkeypatch.context() as patch:
            patch.setenv("MSTKD_MODALITIES", str(subset))
            labels, probabilities = stock(folder, zero_filled(files, subset, tmp_path / str(subset)))
            unmasked, _ = stock(folder, list(files.values()))
        assert np.array_equal(prediction.labels, labels), str(subset)
        assert np.array_equal(prediction.probabilities, probabilities), str(subset)
        assert np.array_equal(unmasked, labels), "the variable decides, whatever the files hold"
        found.append(probabilities)
    assert not np.array_equal(found[0], found[2])
    assert not np.array_equal(found[1], found[2])


def test_the_benchmark_keeps_what_predict_writes(model, files, make_dataset, tmp_path):
    dataset, folder, output = make_dataset("regions"), model(ONE, folds=(0, 1)), tmp_path / "benchmark"
    source = ["-i", dataset.raw / "imagesTs", "-l", dataset.raw / "labelsTs", "-m", f"model={folder}", "-o", output]
    options = ["-device", "cpu", "--disable_tta", "--keep-predictions", "--no-report", "--engine", "torch-float32"]
    assert main(["benchmark", *map(str, [*source, *options])]) == 0
    predictor = MissingModalityPredictor(folder, device="cpu", mirroring=False)
    case, different = dataset.test_cases[0], set()
    for subset in MODALITIES.subsets():
        expected = predictor.predict_case(given(files, subset)).labels
        (file,) = output.glob(f"predictions/*/*/{subset}/{case}.nii.gz")
        assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(file))), expected), str(subset)
        different.add(expected.tobytes())
    assert len(different) > 10


def test_a_folder_of_cases_is_predicted_by_what_each_has(model, files, tmp_path, monkeypatch):
    folder, images = model(ONE), tmp_path / "images"
    images.mkdir()
    for number, subset in enumerate(SOME):
        for channel in subset.channels:
            image = SimpleITK.ReadImage(files[MODALITIES.names[channel]])
            SimpleITK.WriteImage(image, str(images / f"case{number}_{channel:04d}.nii.gz"))
    arguments = ["-m", folder, "-i", images, "-o", tmp_path / "output", "-device", "cpu", "--disable_tta"]
    assert main(["predict", *map(str, arguments), "--save_probabilities"]) == 0
    for number, subset in enumerate(SOME):
        found = np.load(tmp_path / "output" / f"case{number}.npz")["probabilities"]
        monkeypatch.setenv("MSTKD_MODALITIES", str(subset))
        assert np.array_equal(found, stock(folder, zero_filled(files, subset, tmp_path / str(subset)))[1]), str(subset)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_encoders_of_what_a_case_has_run(model, files, name):
    predictor = MissingModalityPredictor(model(name), device="cpu", mirroring=False)
    ran = set()
    for channel, encoder in enumerate(predictor.model.network.encoders):
        encoder.register_forward_hook(lambda *_args, channel=channel: ran.add(channel))
    for subset in (*SOME, SOME[0]):
        ran.clear()
        predictor.predict_case(given(files, subset))
        assert ran == set(subset.channels)


@pytest.mark.parametrize("name", NAMES)
def test_zeros_of_a_present_channel_are_an_image(model, files, tmp_path, monkeypatch, name):
    """Where the variable names all channels they are there, be they zero everywhere: that is told, never guessed."""
    folder, subset = model(name), SOME[0]
    zeros = zero_filled(files, subset, tmp_path / "zeros")
    monkeypatch.setenv("MSTKD_MODALITIES", str(MODALITIES.all))
    _, all_present = stock(folder, zeros)
    monkeypatch.setenv("MSTKD_MODALITIES", str(subset))
    assert not np.array_equal(stock(folder, zeros)[1], all_present)


def test_the_stock_command_refuses_zero_filled_files_of_what_it_was_told_is_there(model, files, tmp_path, monkeypatch):
    zeros = zero_filled(files, MODALITIES.subset("FLAIR"), tmp_path / "zeros")
    monkeypatch.setenv("MSTKD_MODALITIES", "T1ce,FLAIR")
    with pytest.raises(ModalityError, match=r"_0001 T1ce, and this model takes what .* MSTKD_MODALITIES=FLAIR \(all"):
        stock(model(ONE), zeros)


def test_the_stock_command_refuses_zero_filled_files_that_it_was_told_nothing_of(model, files, tmp_path, capfd):
    """Told by the workers of nnU-Net, whose message a user sees; complete cases and models with one encoder go on."""
    zeros, complete = zero_filled(files, SOME[0], tmp_path / "zeros"), list(files.values())
    predictor = nnUNetPredictor(use_mirroring=False, device=CPU, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model(ONE)), (0,), "checkpoint_final.pth")
    with pytest.raises(RuntimeError, match="Background workers died"):
        predictor.predict_from_files([zeros], [str(tmp_path / "output")], num_processes_preprocessing=1)
    said = capfd.readouterr().err
    assert "The case of case_0000.nii.gz holds nothing in _0000 T1, _0002 T2, and this model" in said
    assert "MSTKD_MODALITIES=T1ce,FLAIR (all of them, if the zeros are an image), or use mstkd predict" in said
    assert np.isfinite(predictor.predict_from_files_sequential([complete], None, save_probabilities=True)[0][1]).all()
    image, properties = predictor.plans_manager.image_reader_writer_class().read_images(zeros)
    with pytest.raises(ModalityError, match="This case holds nothing in _0000 T1, _0002 T2"):
        predictor.predict_single_npy_array(image, properties)
    stock(model("nnUNetTrainerModalityDropout"), zeros)


@torch.inference_mode()
def test_a_tile_of_zeros_in_a_present_channel_is_an_image(model):
    loaded = load_model(model(ONE))
    network, tile = loaded.network.eval(), torch.randn(1, 4, *loaded.configuration.patch_size)
    tile[:, 2] = 0
    present = network(tile)
    assert see_only(network, MODALITIES.subset("T1,T1ce,FLAIR"))
    assert not torch.equal(network(tile), present)


# --- Engines ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def engine_logits(monkeypatch):
    """Return a function that gives the logits of an image under one subset after another, of one predictor."""
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.choice.bfloat16_units", lambda: ("AMX",))

    def run(folder, engine, image, subsets):
        predictor = build_predictor(load_model(folder), CPU, engine=engine, mirroring=False, warn=pytest.fail)
        found = []
        for subset in subsets:
            predictor.see(subset)
            found.append(predictor.predict_logits_from_preprocessed_data(image).float())
        return found

    return run


@pytest.fixture
def image(files, model):
    """A preprocessed case that has everything."""
    predictor = MissingModalityPredictor(model("nnUNetTrainerMMFormer"), device="cpu", mirroring=False)
    return prepared_case(predictor, files, MODALITIES.all).image


@pytest.mark.parametrize("engine", ["torch-float32", "torch-bfloat16", "openvino-float32"])
def test_an_engine_sees_what_each_case_has(model, image, engine_logits, engine):
    if engine.startswith("openvino"):
        pytest.importorskip("openvino")
    folder, first, second = model(ONE), SOME[0], SOME[1]
    found = engine_logits(folder, engine, image, (first, second, first))
    assert torch.equal(found[0], found[2])
    alone = engine_logits(folder, engine, image, (second,))[0]
    assert torch.equal(found[1], alone)
    assert not torch.equal(found[0], found[1])
    for subset, logits in zip((first, second), found, strict=False):
        (expected,) = engine_logits(folder, "torch-float32", image, (subset,))
        tolerance = 0.2 if engine == "torch-bfloat16" else 0.02  # logits are summed in float16
        assert float((logits - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_openvino_compiles_a_network_for_each_subset_and_keeps_them(model, image, engine_logits, monkeypatch, name):
    pytest.importorskip("openvino")
    folder, subsets = model(name), SOME[:2]
    found = engine_logits(folder, "openvino-float32", image, subsets)
    kept = sorted(file.name.split(".", 3)[3] for file in (folder / "fold_0" / FOLDER).glob("*.compiled"))
    assert kept == ["channels_1_3.compiled", "channels_2.compiled"]
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.model_engines.compile_network", None)  # nothing is compiled
    for one, other in zip(found, engine_logits(folder, "openvino-float32", image, subsets), strict=True):
        assert torch.equal(one, other)
    for subset, logits in zip(subsets, found, strict=True):
        (expected,) = engine_logits(folder, "torch-float32", image, (subset,))
        assert float((logits - expected).abs().max()) <= 0.02 * float(expected.abs().max())


def test_engines_are_compared_once_for_each_subset(model, image, monkeypatch):
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.choice.fastest_engine", lambda: "torch-bfloat16")
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.agreement.LEAST_DICE", 0.0)
    monkeypatch.setattr("nnunetv2_mstkd.inference.engines.agreement.CLEAR_MARGIN", 1e9)
    predictor = build_predictor(load_model(model(ONE)), CPU, mirroring=False, warn=pytest.fail)
    tried = []
    original = engine_trials.compare
    monkeypatch.setattr(engine_trials, "compare", lambda *a, **k: tried.append(1) or original(*a, **k))
    for subset in (*SOME, SOME[0]):
        predictor.see(subset)
        predictor.predict_logits_from_preprocessed_data(image)
    assert len(tried) == len(SOME)
    assert predictor.engine == "torch-bfloat16"


def test_warming_up_makes_the_engine_of_the_first_case(model, image, engine_logits):
    folder = model(ONE)
    predictor = build_predictor(load_model(folder), CPU, engine="torch-bfloat16", mirroring=False, warn=pytest.fail)
    predictor.warm_up(SOME[0])
    engine = predictor._engine_network._engine
    predictor.see(SOME[0])
    assert predictor._engine_network._engine is engine is not None
    predictor.see(SOME[1])
    assert predictor._engine_network._engine is engine  # told, not made anew
    predictor.predict_logits_from_preprocessed_data(image)
    predictor.warm_up(SOME[0])  # too late: it must not change what is being predicted
    assert seen_channels(predictor._engine_network.network) == SOME[1].channels


# --- Shared -----------------------------------------------------------------------------------------------------------


def test_a_trained_model_is_shared_as_any_other(trained_model, files, tmp_path):
    folder, archive, results = trained_model(f"{ONE}_1epoch"), tmp_path / "model.zip", tmp_path / "results"
    assert main(["export", str(folder), str(archive), "--licence", "CC-BY-4.0"]) == 0
    assert main(["import", str(archive), "--results", str(results)]) == 0
    installed = results / folder.parent.name / folder.name
    assert "the variable MSTKD_MODALITIES names the others" in (installed / "MODEL_CARD.md").read_text()
    own, shared = (MissingModalityPredictor(where, device="cpu", mirroring=False) for where in (folder, installed))
    for subset in SOME[:2]:
        prepared = prepared_case(own, files, subset)
        assert torch.equal(own.predict_logits(prepared), shared.predict_logits(prepared))
