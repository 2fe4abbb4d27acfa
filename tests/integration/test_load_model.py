"""Model folders that are not what they should be: each is told as such, before any image is read."""

import json
import os
import shutil

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.errors import CheckpointError, ModelFolderError, MSTKDError
from nnunetv2_mstkd.inference.model import load_model
from nnunetv2_mstkd.inference.model_folder import find_trainer

pytestmark = pytest.mark.slow


class TrainerOfEarlierVersions(nnUNetTrainer):
    """Takes the network's parts, not the plans."""

    @staticmethod
    def build_network_architecture(
        architecture_class_name,
        arch_init_kwargs,
        arch_init_kwargs_req_import,
        num_input_channels,
        num_output_channels,
        enable_deep_supervision=True,
    ):
        return get_network_from_plans(
            architecture_class_name,
            arch_init_kwargs,
            arch_init_kwargs_req_import,
            num_input_channels,
            num_output_channels,
            deep_supervision=enable_deep_supervision,
        )


def test_a_trainer_of_earlier_versions_builds_its_network(random_model, monkeypatch):
    monkeypatch.setattr("nnunetv2_mstkd.inference.model.find_trainer", lambda name: TrainerOfEarlierVersions)
    model = load_model(random_model())
    assert all(torch.equal(model.network.state_dict()[name], value) for name, value in model.weights[0].items())


def change_json(folder, file, change):
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))


@pytest.mark.parametrize("entry", ["labels", "channel_names", "file_ending"])
def test_a_dataset_json_without_an_entry_is_told(random_model, entry):
    folder = random_model()
    change_json(folder, "dataset.json", lambda content: content.pop(entry))
    with pytest.raises(MSTKDError, match=entry):
        load_model(folder)


@pytest.mark.parametrize(
    "entry", ["dataset_name", "plans_name", "transpose_forward", "transpose_backward", "image_reader_writer"]
)
def test_plans_without_an_entry_are_told(random_model, entry):
    folder = random_model()
    change_json(folder, "plans.json", lambda content: content.pop(entry))
    with pytest.raises(ModelFolderError, match=entry):
        load_model(folder)


@pytest.mark.parametrize(
    "entry", ["architecture", "patch_size", "spacing", "normalization_schemes", "resampling_fn_seg"]
)
def test_a_configuration_without_an_entry_is_told(random_model, entry):
    folder = random_model()
    change_json(folder, "plans.json", lambda content: content["configurations"]["3d_fullres"].pop(entry))
    with pytest.raises(ModelFolderError, match=str(folder)):
        load_model(folder)


def test_a_preprocessor_that_nnunet_does_not_have_is_named(random_model):
    folder = random_model()
    entries = {"preprocessor_name": "MyPreprocessor"}
    change_json(folder, "plans.json", lambda content: content["configurations"]["3d_fullres"].update(entries))
    with pytest.raises(ModelFolderError, match="MyPreprocessor"):
        load_model(folder)


def change_checkpoint(folder, change, fold=0):
    file = folder / f"fold_{fold}" / "checkpoint_final.pth"
    checkpoint = torch.load(file)
    change(checkpoint)
    torch.save(checkpoint, file)


def test_a_configuration_that_the_plans_do_not_have_is_named(random_model):
    folder = random_model()
    change_checkpoint(folder, lambda checkpoint: checkpoint["init_args"].update(configuration="3d_other"))
    with pytest.raises(ModelFolderError, match="3d_other"):
        load_model(folder)


def test_the_hash_is_that_of_the_weights_though_a_training_goes_on(random_model, monkeypatch):
    folder = random_model()
    file, later, load = folder / "fold_0" / "checkpoint_final.pth", folder / "later.pth", torch.load
    shutil.copy(file, later)
    with later.open("ab") as stream:
        stream.write(b"later")
    before = sha256_of(file)

    def load_and_replace(*args, **options):
        loaded = load(*args, **options)
        os.replace(later, file)
        return loaded

    monkeypatch.setattr(torch, "load", load_and_replace)
    assert load_model(folder).weights_sha256 == {"0": before}
    assert sha256_of(file) != before


@pytest.mark.parametrize("entry", ["plans", "dataset_json"])
def test_plans_that_a_fold_was_not_trained_with_are_told(random_model, entry):
    folder = random_model(folds=(0, 1))
    trained = {
        "plans": json.loads((folder / "plans.json").read_text()),
        "dataset_json": json.loads((folder / "dataset.json").read_text()),
    }
    change_checkpoint(folder, lambda checkpoint: checkpoint["init_args"].update(trained), fold=1)
    load_model(folder)
    changes = {"plans": {"transpose_forward": [2, 1, 0]}, "dataset_json": {"regions_class_order": [3, 2, 1]}}
    trained[entry].update(changes[entry])
    change_checkpoint(folder, lambda checkpoint: checkpoint["init_args"].update(trained), fold=1)
    with pytest.raises(ModelFolderError, match=r"fold_1.*was trained with another .*Put back"):
        load_model(folder)


def test_weights_that_do_not_fit_are_told_whichever_fold_they_are_of(random_model):
    folder = random_model(folds=(0, 1))
    change_checkpoint(folder, lambda checkpoint: checkpoint["network_weights"].popitem(), fold=1)
    with pytest.raises(CheckpointError, match=r"fold_1.*do not fit"):
        load_model(folder)


@pytest.mark.parametrize("content", ["[]", "{", '{"subsets": []}', '{"subsets": {"T1": 0.8}}'])
def test_a_broken_benchmark_is_told(random_model, content):
    folder = random_model()
    (folder / "mstkd_benchmark.json").write_text(content)
    with pytest.raises(ModelFolderError, match="mstkd_benchmark"):
        load_model(folder)


@pytest.mark.parametrize("name", ["nnUNetTrainerNix", "PolyLRScheduler", "join"])
def test_what_is_no_trainer_is_told(name):
    """The other two are names in nnU-Net's modules of trainers: a class and a function."""
    with pytest.raises(ModelFolderError, match=name):
        find_trainer(name)
