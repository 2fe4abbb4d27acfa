"""Deep supervision changes what is computed, and nothing of what is stored."""

import torch
from every_trainer import every_multi_encoder
from told_network import build, image_of, shaken


@every_multi_encoder
def test_a_state_dict_does_not_depend_on_what_the_network_is_built_for(make_trainer, trainer_class):
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    trained = trainer.network.state_dict()
    shapes = {name: value.shape for name, value in trained.items()}
    for deep_supervision in (False, True):
        assert {n: v.shape for n, v in build(trainer, deep_supervision).state_dict().items()} == shapes
    assert not [name for name in shapes if "present" in name]


@every_multi_encoder
@torch.inference_mode()
def test_deep_supervision_is_switched_off_as_nnunet_does_it(make_trainer, trainer_class):
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    network, image = shaken(trainer.network).eval(), image_of(trainer)
    scales = network(image)
    assert isinstance(scales, list)
    assert len(scales) == len(trainer._get_deep_supervision_scales())
    trainer.set_deep_supervision_enabled(False)
    logits = network(image)
    assert torch.equal(logits, scales[0])
    bare = build(trainer).eval()
    bare.load_state_dict(network.state_dict())
    assert torch.equal(bare(image), logits)
