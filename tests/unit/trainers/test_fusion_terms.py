"""The loss terms of mmFormer and M2FTrans by hand, on complete and incomplete cases."""

import copy
import dataclasses
from types import SimpleNamespace

import pytest
import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_mstkd.distillation.settings.fusion_transformer import FusionTransformerSettings
from nnunetv2_mstkd.trainers.fusion_transformer_trainer import FusionTransformerTrainer
from nnunetv2_mstkd.trainers.multi_encoder_batch import MultiEncoderBatch


def squares(logits, target):
    return (logits - target).square().mean()


@pytest.fixture
def by_hand():
    """A trainer of which no more is used than the terms, with the mean square as its loss."""
    trainer = object.__new__(FusionTransformerTrainer)
    trainer.loss = DeepSupervisionWrapper(squares, [1.0])
    trainer.is_ddp = False
    trainer.settings = FusionTransformerSettings()
    trainer.available = SimpleNamespace(all_complete=False)
    return trainer


def batch_of(available):
    available = torch.tensor(available)
    target = torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1, 1).expand(2, 1, 2, 2, 2)
    return MultiEncoderBatch(torch.zeros(2, 3, 2, 2, 2), available, available, [target])


def test_the_separate_loss_is_of_the_samples_that_have_the_modality(by_hand):
    logits = torch.zeros(2, 3, 1, 2, 2, 2, requires_grad=True)
    loss = by_hand._separate_loss(logits, batch_of([[True, True, False], [True, False, False]]))
    # first modality: mean of 1 and 9; second: the first sample's 1, half of the batch; third: nobody has it
    assert loss.item() == 5 + 0.5 + 0
    loss.backward()
    reached = logits.grad.flatten(2).abs().sum(-1) > 0
    assert reached.tolist() == [[True, True, False], [True, False, False]]


def test_the_separate_loss_of_a_batch_is_the_mean_of_its_samples(by_hand):
    logits, available = torch.randn(2, 3, 1, 2, 2, 2), [[True, True, False], [True, False, False]]
    whole, batch = by_hand._separate_loss(logits, batch_of(available)), batch_of(available)
    parts = [
        dataclasses.replace(batch, available=batch.available[row], target=[batch.target[0][row]])
        for row in (slice(0, 1), slice(1, 2))
    ]
    each = [by_hand._separate_loss(logits[i : i + 1], part) for i, part in enumerate(parts)]
    torch.testing.assert_close(whole, (each[0] + each[1]) / 2)


def test_where_all_cases_are_complete_no_sample_is_looked_for(by_hand):
    """To look for them would wait for the GPU, and copy logits and target."""
    logits, batch = torch.zeros(2, 3, 1, 2, 2, 2), batch_of([[True] * 3] * 2)
    by_hand.available.all_complete = True
    seen = []
    by_hand.loss = DeepSupervisionWrapper(lambda *pair: seen.append(pair) or squares(*pair), [1.0])
    assert by_hand._separate_loss(logits, dataclasses.replace(batch, available=None)).item() == 3 * 5
    for found, target in seen:
        assert found.untyped_storage().data_ptr() == logits.untyped_storage().data_ptr()
        assert target is batch.target[0]


def test_without_its_weight_no_regional_loss_is_computed(by_hand):
    by_hand.settings = FusionTransformerSettings(weight_regional=0)
    by_hand.loss = None  # not asked
    coarser = [torch.ones(2, 1, 1, 1, 1, requires_grad=True)]
    loss = by_hand._regional_loss(coarser, batch_of([[True] * 3] * 2))
    loss.backward()
    assert loss.item() == 0
    assert not coarser[0].grad.any()  # there: DDP waits for it


def test_the_regional_loss_is_the_sum_over_scales_at_full_resolution(by_hand):
    coarser = [torch.zeros(2, 1, 1, 1, 1), torch.full((2, 1, 1, 1, 1), 2.0)]
    # target 1 and 3: zeros differ by 1 and 9, twos by 1 and 1
    assert by_hand._regional_loss(coarser, batch_of([[True] * 3] * 2)).item() == 5 + 1


def test_batch_dice_waits_for_no_other_rank(make_trainer, make_dataset):
    """A rank whose samples all lack a modality takes no part; the others must not wait for its sums."""
    plans = copy.deepcopy(make_dataset("labels").plans)
    plans["configurations"]["3d_fullres"]["batch_dice"] = True
    trainer = make_trainer("nnUNetTrainerMMFormer", "labels", plans=plans)
    trainer.is_ddp = True  # as far as the loss asks; no other process is there to be waited for
    trainer.loss = nnUNetTrainer._build_loss(trainer)
    logits = torch.randn(2, 4, *trainer.configuration_manager.patch_size)
    target = torch.ones(2, 1, *trainer.configuration_manager.patch_size)
    assert trainer.loss.loss.dc.ddp
    assert torch.isfinite(trainer._loss_within_rank(logits, target))
    assert trainer.loss.loss.dc.ddp, "that of the fusion still exchanges"
