"""nnUNetTrainerMMFormer and nnUNetTrainerM2FTrans: their loss terms on complete and incomplete cases."""

import copy
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch.nn import functional

from nnunetv2_mstkd.distillation.settings.fusion_transformer import FusionTransformerSettings
from nnunetv2_mstkd.trainers.fusion_transformer_trainer import FusionTransformerTrainer
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderBatch

NAMES = ("nnUNetTrainerMMFormer", "nnUNetTrainerM2FTrans")


def run(trainer, batch):
    with trainer.step_rng():
        features = trainer.network(batch.image, trainer.seen(batch), True)
        return features, trainer.loss_terms(batch, features)


# --- Terms by hand ----------------------------------------------------------------------------------------------------


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
    trainer = make_trainer(NAMES[0], "labels", plans=plans)
    trainer.is_ddp = True  # as far as the loss asks; no other process is there to be waited for
    trainer.loss = nnUNetTrainer._build_loss(trainer)
    logits = torch.randn(2, 4, *trainer.configuration_manager.patch_size)
    target = torch.ones(2, 1, *trainer.configuration_manager.patch_size)
    assert trainer.loss.loss.dc.ddp
    assert torch.isfinite(trainer._loss_within_rank(logits, target))
    assert trainer.loss.loss.dc.ddp, "that of the fusion still exchanges"


# --- Real steps -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("variant", "configuration"),
    [
        ("regions", "2d"),
        ("labels_ignore", "3d_fullres"),
        ("regions_ignore", "3d_fullres"),
        ("two_modalities", "3d_fullres"),
        ("five_modalities", "3d_fullres"),
        ("anisotropic", "3d_fullres"),
    ],
)
def test_a_step_moves_every_part(make_trainer, first_batch, name, variant, configuration):
    # nothing is dropped: positions of a modality that no sample of the step has would stay zero
    settings = {"warm_up_fraction": 0.5}
    trainer = make_trainer(f"{name}_4epochs", variant, configuration=configuration, settings=settings)
    trainer.initialize()
    trainer.on_train_epoch_start()
    before = [copy.deepcopy(part.state_dict()) for part in trainer.trained_networks()]
    result = trainer.train_step(first_batch(trainer))
    assert set(result) == {"loss", "loss_segmentation", "loss_separate", "loss_regional", "loss_total"}
    assert all(np.isfinite(value) for value in result.values())
    for part, old in zip(trainer.trained_networks(), before, strict=True):
        unmoved = [key for key, value in part.state_dict().items() if torch.equal(value, old[key])]
        assert not [key for key in unmoved if not key.endswith("bias")]


@pytest.mark.parametrize("name", NAMES)
def test_the_total_is_weighted_by_the_settings(make_trainer, first_batch, name):
    trainer = make_trainer(name, settings={"weight_separate": 0.5, "weight_regional": 3})
    trainer.initialize()
    result = trainer.train_step(first_batch(trainer))
    expected = result["loss_segmentation"] + 0.5 * result["loss_separate"] + 3 * result["loss_regional"]
    assert result["loss_total"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_nnunets_loss_of_their_logits(prepare, name):
    trainer, batch = prepare(name)
    features, terms = run(trainer, batch)
    loss, target = trainer.loss.loss, batch.target[0]
    torch.testing.assert_close(terms["segmentation"], loss(features.logits[0], target))
    coarser = [functional.interpolate(s, target.shape[2:], mode="trilinear") for s in features.logits[1:]]
    assert len(coarser) == len(trainer.network.stage_features) - 2
    torch.testing.assert_close(terms["regional"], sum(loss(scale, target) for scale in coarser))
    separate = trainer.auxiliary(features.encoded)
    torch.testing.assert_close(terms["separate"], sum(loss(separate[:, m], target) for m in range(4)))


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_has_a_gradient_whatever_is_missing(prepare, name):
    """Under DDP: also where a modality is in no sample's subset, and in no case."""
    trainer, batch = prepare(name)
    only = torch.zeros_like(batch.available)
    only[:, 1] = True
    trainer.available = SimpleNamespace(all_complete=False)
    _, terms = run(trainer, dataclasses.replace(batch, available=only, modality_mask=only))
    torch.stack(list(terms.values())).sum().backward()
    for part in trainer.trained_networks():
        assert not [key for key, parameter in part.named_parameters() if parameter.grad is None]
    encoders = [any(p.grad.any() for p in encoder.parameters()) for encoder in trainer.network.encoders]
    assert encoders == [False, True, False, False]


@pytest.mark.parametrize("name", NAMES)
def test_the_image_of_a_modality_that_a_case_lacks_has_no_influence(prepare, name):
    trainer, batch = prepare(name)
    available = torch.ones_like(batch.available)
    available[:, 2] = False
    other = batch.image.clone()
    other[:, 2] = 100
    trainer.available = SimpleNamespace(all_complete=False)
    found = [
        run(trainer, dataclasses.replace(batch, image=image, available=available, modality_mask=available))[1]
        for image in (batch.image, other)
    ]
    assert found[0] == found[1]


def test_what_was_dropped_is_still_segmented_by_itself(prepare):
    trainer, batch = prepare(NAMES[0])
    drawn = torch.zeros_like(batch.available)
    drawn[:, 3] = True
    run(trainer, dataclasses.replace(batch, modality_mask=drawn))[1]["separate"].backward()
    assert all(any(p.grad is not None and p.grad.any() for p in e.parameters()) for e in trainer.network.encoders)


@pytest.mark.parametrize("name", NAMES)
def test_without_deep_supervision_there_is_no_regional_term(make_trainer, find_trainer, first_batch, name):
    class WithoutDeepSupervision(find_trainer(name)):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.enable_deep_supervision = False

    trainer = make_trainer(WithoutDeepSupervision)
    trainer.initialize()
    result = trainer.train_step(first_batch(trainer))
    assert set(result) == {"loss", "loss_segmentation", "loss_separate", "loss_total"}
    assert result["loss_total"] == pytest.approx(result["loss_segmentation"] + result["loss_separate"], rel=1e-5)


def test_without_the_separate_loss_its_decoder_is_not_there(make_trainer, first_batch):
    trainer = make_trainer(NAMES[0], settings={"weight_separate": 0})
    trainer.initialize()
    assert trainer.auxiliary is None
    assert set(trainer.train_step(first_batch(trainer))) == {"loss", "loss_segmentation", "loss_regional", "loss_total"}


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_losses_are_computed_in_full_precision(prepare, name):
    trainer, batch = prepare(name, settings={"cpu_precision": "bfloat16"})
    with trainer.autocast():
        features, terms = run(trainer, batch)
    assert features.logits[0].dtype is torch.bfloat16
    assert {term.dtype for term in terms.values()} == {torch.float32}


# --- The model --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_and_back(make_trainer, monkeypatch, name):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())
    trainer = make_trainer(f"{name}_1epoch")
    trainer.run_training()
    file = Path(trainer.output_folder) / "checkpoint_final.pth"
    weights = torch.load(file, weights_only=False)["network_weights"]
    assert list(weights) == list(trainer.network.state_dict())  # what only training needs is not in the model
    again = make_trainer(f"{name}_1epoch", continue_training=True)
    again.load_checkpoint(str(file))
    for part, loaded in zip(trainer.trained_networks(), again.trained_networks(), strict=True):
        assert all(torch.equal(v, loaded.state_dict()[key]) for key, v in part.state_dict().items())
