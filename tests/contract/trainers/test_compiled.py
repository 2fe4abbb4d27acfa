"""Networks with an encoder for each modality, compiled to train and exported to predict."""

import copy

import pytest
import torch
from every_trainer import MULTI_ENCODER, every_multi_encoder
from told_network import assert_near, image_of, masks_of
from torch._dynamo import OptimizedModule
from torch._dynamo.testing import CompileCounter

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderFeatures
from nnunetv2_mstkd.inference.modality_encoders import see_only

pytestmark = pytest.mark.slow


@pytest.mark.slow
@every_multi_encoder
def test_a_compiled_step_is_one_graph_for_all_subsets(make_trainer, trainer_class):
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    torch._dynamo.reset()
    counter = CompileCounter()
    network = trainer.network.train()
    compiled = torch.compile(network, backend=counter, fullgraph=True)
    image = image_of(trainer, batch=2)
    for masks in masks_of(trainer.modalities)[:14].split(2):
        features = compiled(image, masks, True)
        assert isinstance(features, MultiEncoderFeatures)
        torch.stack([scale.mean() for scale in features.logits]).sum().backward()
    assert counter.frame_count == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", MULTI_ENCODER)
def test_what_trains_beside_the_network_is_compiled_with_it(make_trainer, first_batch, monkeypatch, name):
    compile_module = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: compile_module(module, backend="eager"))
    torch._dynamo.reset()
    plain, compiled = make_trainer(name), make_trainer(name)
    compiled._do_i_compile = lambda: True
    for trainer in (plain, compiled):
        trainer.initialize()
    assert isinstance(compiled.auxiliary, OptimizedModule)
    batch = first_batch(plain)
    losses = [trainer.train_step(copy.deepcopy(batch)) for trainer in (plain, compiled)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    states = [trainer.training_state()["auxiliary_weights"] for trainer in (plain, compiled)]
    assert list(states[0]) == list(states[1])
    plain.load_training_state(copy.deepcopy(compiled.training_state()))
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@every_multi_encoder
@torch.inference_mode()
def test_what_predicts_is_exported_for_a_subset(predicting, trainer_class, configuration):
    trainer, network = predicting(trainer_class, configuration=configuration)
    image = image_of(trainer)
    sizes = []
    for subset in (trainer.modalities.subset("T2"), trainer.modalities.all):
        see_only(network, subset)
        exported = torch.export.export(network, (image,))
        assert_near(exported.module()(image), network(image))
        sizes.append(len(exported.graph.nodes))
    assert sizes[0] < sizes[1], "the encoders of absent modalities are no part of the exported network"
