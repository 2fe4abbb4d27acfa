"""What a network with an encoder for each modality makes of a subset, in training and at prediction."""

import pytest
import torch
from every_trainer import every_multi_encoder
from masked_concatenation import MaskedConcatenationTrainer
from told_network import assert_near, build, image_of, masks_of, shaken, with_nan

from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderNetwork
from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.inference.modality_encoders import see_only

NUM_MODALITIES = 4


@every_multi_encoder
@torch.inference_mode()
def test_nothing_of_an_absent_modality_reaches_the_logits(predicting, trainer_class):
    trainer, network = predicting(trainer_class, configuration="2d")
    image, found = image_of(trainer), []
    for subset in trainer.modalities.subsets():
        see_only(network, subset)
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


@every_multi_encoder
def test_gradients_reach_the_encoders_that_are_there_and_no_other(make_trainer, trainer_class):
    trainer = make_trainer(trainer_class)
    network = shaken(build(trainer, deep_supervision=True)).train()
    image = image_of(trainer, batch=2)
    mask = torch.tensor([[1, 0, 0, 0], [1, 0, 1, 0]], dtype=torch.bool)
    logits = network(image, mask)
    torch.stack([(scale * torch.randn_like(scale)).sum() for scale in logits]).sum().backward()
    for channel, encoder in enumerate(network.encoders):
        gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
        if channel in (0, 2):
            assert all(torch.isfinite(gradient).all() for gradient in gradients)
            assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0
        else:
            assert not any(gradient.any() for gradient in gradients)


@every_multi_encoder
def test_a_gradient_of_one_sample_is_none_of_anothers_absent_modality(make_trainer, trainer_class):
    """Only the first sample lacks the modality: its image has no gradient there, the second one's has."""
    trainer = make_trainer(trainer_class)
    network = shaken(build(trainer)).train()
    image = image_of(trainer, batch=2).requires_grad_()
    mask = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1]], dtype=torch.bool)
    logits = network(image, mask)
    (logits * torch.randn_like(logits)).sum().backward()
    assert not image.grad[0, 1].any()
    assert image.grad[1, 1].any()


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
