"""What data sets and plans may be."""

import copy
import math

import numpy as np
import pytest
import torch
from every_trainer import DISTILLING, every_method, every_multi_encoder
from one_training_step import step, validate
from told_network import image_of
from trainer_output import assert_trained

from nnunetv2_mstkd.errors import ModalityError, UnsupportedNetworkError
from nnunetv2_mstkd.inference.modality_encoders import has_modality_encoders


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "configuration"),
    [
        ("regions", "2d"),
        ("regions", "3d_fullres"),
        ("labels", "3d_fullres"),
        ("labels_ignore", "3d_fullres"),
        ("regions_ignore", "3d_fullres"),
        ("two_modalities", "3d_fullres"),
        ("five_modalities", "3d_fullres"),
        ("anisotropic", "3d_fullres"),
    ],
)
@every_method
def test_every_kind_of_data_set_is_trained_on_and_predicted(
    make_trainer, as_predicted, first_batch, trainer_class, variant, configuration
):
    trainer = make_trainer(trainer_class, variant, configuration=configuration)
    trainer.initialize()
    before = copy.deepcopy(trainer.network.state_dict())
    step(trainer, first_batch(trainer))
    if not has_modality_encoders(trainer.network):  # of these a step trains the encoders of what was drawn
        assert_trained(before, trainer.network.state_dict())
    gradients = {name: value for name, value in trainer.record.items() if name.startswith("gradient_")}
    assert bool(gradients) == (trainer_class.__name__ in DISTILLING)
    assert all(math.isfinite(value) for value in gradients.values()), gradients
    validate(trainer)
    weights, image, found = trainer.network.state_dict(), image_of(trainer), []
    with torch.inference_mode():
        for subset in (trainer.modalities.subsets()[0], trainer.modalities.all):
            logits = as_predicted(trainer, weights, subset)(image)
            assert logits.shape == (1, trainer.label_manager.num_segmentation_heads, *image.shape[2:])
            assert torch.isfinite(logits).all()
            found.append(logits)
    assert not torch.equal(*found)


@pytest.mark.slow
@every_method
def test_a_residual_encoder_is_trained(make_trainer, make_dataset, first_batch, trainer_class):
    plans = copy.deepcopy(make_dataset("regions").plans)
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["network_class_name"] = architecture["network_class_name"].replace("PlainConv", "ResidualEncoder")
    architecture["arch_kwargs"]["n_blocks_per_stage"] = architecture["arch_kwargs"].pop("n_conv_per_stage")
    architecture["arch_kwargs"]["n_conv_per_stage_decoder"] = [1, 1]
    trainer = make_trainer(trainer_class, plans=plans)
    trainer.initialize()
    encoders = getattr(trainer.network, "encoders", None) or [trainer.network.encoder]
    assert {type(encoder).__name__ for encoder in encoders} == {"ResidualEncoder"}
    step(trainer, first_batch(trainer))


@pytest.mark.slow
@every_method
def test_without_deep_supervision_a_step_is_as_sound(make_trainer, first_batch, trainer_class):
    trainer = make_trainer(trainer_class)
    trainer.enable_deep_supervision = False
    trainer.initialize()
    step(trainer, first_batch(trainer))


@every_multi_encoder
@torch.inference_mode()
def test_prediction_takes_other_patch_sizes_than_planned(predicting, trainer_class):
    trainer, network = predicting(trainer_class)
    planned = trainer.configuration_manager.patch_size
    strides = np.prod(trainer.configuration_manager.pool_op_kernel_sizes, axis=0)
    for factor in (-1, 1):
        image = image_of(trainer, size=tuple(int(n + factor * s) for n, s in zip(planned, strides, strict=True)))
        logits = network(image)
        assert logits.shape[2:] == image.shape[2:]
        assert torch.isfinite(logits).all()


def test_cascade_is_refused(make_trainer, make_dataset, results):
    plans = copy.deepcopy(make_dataset("regions").plans)
    plans["configurations"]["3d_lowres"] = {"inherits_from": "3d_fullres", "next_stage": "3d_cascade_fullres"}
    plans["configurations"]["3d_cascade_fullres"] = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    with pytest.raises(UnsupportedNetworkError, match=r"3d_cascade_fullres.*3d_lowres"):
        make_trainer("nnUNetTrainerMSTKD", plans=plans, configuration="3d_cascade_fullres")
    assert not list(results.iterdir())


def test_one_channel_is_refused(make_trainer, make_dataset, results):
    dataset_json = {**make_dataset("regions").dataset_json, "channel_names": {"0": "T1"}}
    with pytest.raises(ModalityError, match="at least two channels"):
        make_trainer("nnUNetTrainerMSTKD", dataset_json=dataset_json)
    assert not list(results.iterdir())
