"""What a network makes of a subset, in training and at prediction: above all one with an encoder for each modality."""

import pytest
import torch
from every_trainer import every_method, every_multi_encoder
from masked_concatenation import MaskedConcatenationTrainer
from told_network import assert_near, build, image_of, masks_of, shaken, with_nan

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderNetwork
from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.inference.modality_encoders import see_only

NUM_MODALITIES = 4
BOTH = pytest.mark.parametrize("configuration", ["2d", pytest.param("3d_fullres", marks=pytest.mark.slow)])


@BOTH
@every_method
@torch.inference_mode()
def test_nothing_of_an_absent_modality_reaches_the_logits(make_trainer, as_predicted, trainer_class, configuration):
    trainer = make_trainer(trainer_class, configuration=configuration)
    weights, image, found = shaken(build(trainer)).state_dict(), image_of(trainer), []
    for subset in trainer.modalities.subsets():
        network = as_predicted(trainer, weights, subset)
        logits = network(image)
        assert torch.isfinite(logits).all()
        assert torch.equal(network(with_nan(image, torch.tensor([subset.present]))), logits), str(subset)
        found.append(logits)
    assert len(found) == 2**NUM_MODALITIES - 1
    assert all(not torch.equal(one, other) for i, one in enumerate(found) for other in found[:i])


@every_multi_encoder
@torch.inference_mode()
def test_encoders_of_absent_modalities_do_not_run(predicting, trainer_class):
    trainer, network = predicting(trainer_class)
    image, ran = image_of(trainer), []
    for channel, encoder in enumerate(network.encoders):
        encoder.register_forward_hook(lambda *_args, channel=channel: ran.append(channel))
    for subset in trainer.modalities.subsets():
        ran.clear()
        see_only(network, subset)
        network(image)
        assert sorted(ran) == list(subset.channels)


@every_multi_encoder
@torch.inference_mode()
def test_a_mask_in_training_is_what_is_told_at_prediction(predicting, trainer_class):
    """All subsets of one image, first as further samples, then by themselves with the other encoders at rest."""
    trainer, network = predicting(trainer_class, configuration="2d")
    image, masks = image_of(trainer), masks_of(trainer.modalities)
    together = network(image, masks)  # (K * 1, M): each encoder runs once
    assert len(together) == len(masks)
    assert_near(network(image.expand(len(masks), *image.shape[1:]), masks), together)
    for subset, expected in zip(trainer.modalities.subsets(), together, strict=True):
        see_only(network, subset)
        assert_near(network(image)[0], expected)


@every_multi_encoder
@torch.inference_mode()
def test_what_a_mask_leaves_out_has_no_influence_in_training(predicting, trainer_class):
    trainer, network = predicting(trainer_class, configuration="2d")
    masks = masks_of(trainer.modalities)
    image = image_of(trainer, batch=len(masks))
    assert torch.equal(network(with_nan(image, masks), masks), network(image, masks))


@pytest.mark.parametrize("shape", [(0, 4), (3, 4), (2, 3), (2, 5), (2,), (2, 4, 1)], ids=str)
def test_a_mask_of_another_batch_or_of_other_modalities_is_refused(predicting, shape):
    trainer, network = predicting(MaskedConcatenationTrainer)
    with pytest.raises(ShapeError, match=r"modality_mask has shape .* need \(K \* 2, 4\)"):
        network(image_of(trainer, batch=2), torch.ones(shape, dtype=torch.bool))


@every_multi_encoder
@torch.inference_mode()
def test_subsets_of_a_batch_come_one_after_another(predicting, trainer_class):
    trainer, network = predicting(trainer_class)
    image = image_of(trainer, batch=2)
    first = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)
    second = torch.tensor([[0, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    expected = torch.cat((network(image, first), network(image, second)))
    assert_near(network(image, torch.cat((first, second))), expected)


@BOTH
@every_multi_encoder
def test_gradients_reach_the_encoders_that_are_there_and_no_other(make_trainer, trainer_class, configuration):
    trainer = make_trainer(trainer_class, configuration=configuration)
    network, image = shaken(build(trainer, deep_supervision=True)).train(), image_of(trainer)
    for mask in masks_of(trainer.modalities):
        network.zero_grad()
        logits = network(image, mask[None])
        torch.stack([(scale * torch.randn_like(scale)).sum() for scale in logits]).sum().backward()
        for is_present, encoder in zip(mask.tolist(), network.encoders, strict=True):
            gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
            assert all(torch.isfinite(gradient).all() for gradient in gradients)
            assert any(gradient.any() for gradient in gradients) is is_present, mask


@BOTH
@every_multi_encoder
def test_each_sample_has_gradients_of_its_own_subset(make_trainer, trainer_class, configuration):
    """All subsets in one batch: each image has a gradient where its mask has the modality, and nowhere else."""
    trainer = make_trainer(trainer_class, configuration=configuration)
    network, masks = shaken(build(trainer)).train(), masks_of(trainer.modalities)
    image = image_of(trainer, batch=len(masks)).requires_grad_()
    logits = network(image, masks)
    (logits * torch.randn_like(logits)).sum().backward()
    assert torch.isfinite(image.grad).all()
    assert torch.equal(image.grad.flatten(2).any(dim=2), masks)


@every_multi_encoder
@torch.inference_mode()
def test_prediction_is_not_random_and_training_leaves_the_subset_alone(predicting, trainer_class):
    trainer, network = predicting(trainer_class)
    image = image_of(trainer)
    see_only(network, trainer.modalities.subset("T1,FLAIR"))
    expected = network(image)
    network(image, torch.ones(1, NUM_MODALITIES, dtype=torch.bool))  # as in a validation step
    assert torch.equal(network(image), expected)


def test_an_encoder_for_each_modality_is_narrow(make_trainer):
    network = build(make_trainer(MaskedConcatenationTrainer))
    assert isinstance(network, MultiEncoderNetwork)
    assert len(network.encoders) == NUM_MODALITIES
    assert all(
        2 * narrow == wide for narrow, wide in zip(network.encoder_features, network.stage_features, strict=True)
    )
