"""nnUNetTrainerMMFormer and nnUNetTrainerM2FTrans: real steps on complete and incomplete cases, and the model."""

import copy
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

NAMES = ("nnUNetTrainerMMFormer", "nnUNetTrainerM2FTrans")


def run(trainer, batch):
    with trainer.step_rng():
        features = trainer.network(batch.image, trainer.seen(batch), True)
        return features, trainer.loss_terms(batch, features)


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
