"""What every trainer of a network with an encoder for each modality promises."""

import copy
import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from masked_concatenation import MaskedConcatenationTrainer
from torch._dynamo import OptimizedModule
from torch._dynamo.testing import CompileCounter

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.architectures.multi_encoder import MultiEncoderFeatures, MultiEncoderNetwork
from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.errors import ShapeError
from nnunetv2_mstkd.inference.modality_encoders import see_only
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities
from nnunetv2_mstkd.trainers.multi_encoder_trainer import MultiEncoderTrainer

PUBLIC = tuple(name for name in trainers.TRAINERS if issubclass(getattr(trainers, name), MultiEncoderTrainer))
ALL = (MaskedConcatenationTrainer, *(getattr(trainers, name) for name in PUBLIC))
NUM_MODALITIES = 4

every_trainer = pytest.mark.parametrize("trainer_class", ALL, ids=lambda found: found.__name__)


@pytest.fixture
def no_figures(monkeypatch):
    """A figure takes longer than an epoch of these tests."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())


def build(trainer, deep_supervision=False):
    """Return a network as the trainer builds it."""
    return trainer.build_network_architecture(
        trainer.plans_manager,
        trainer.configuration_manager,
        len(trainer.modalities),
        trainer.label_manager.num_segmentation_heads,
        deep_supervision,
    )


def shaken(network):
    """Return the network with weights that are no zeros and ones, so that whatever is lost would show."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def image_of(trainer, batch=1, size=None):
    patch = size or tuple(trainer.configuration_manager.patch_size)
    return torch.randn(batch, len(trainer.modalities), *patch)


def masks_of(modalities):
    """Every non-empty subset: bool (2^M - 1, M)."""
    return torch.tensor([subset.present for subset in modalities.subsets()])


def with_nan(image, mask):
    """Return the image (B, M, *patch) with NaN in what the mask (B, M) leaves out."""
    return image.masked_fill(~mask.reshape(*mask.shape, *(1,) * (image.ndim - 2)), torch.nan)


def assert_near(found, expected):
    """Check that logits differ by the rounding of sums alone."""
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


@pytest.fixture
def predicting(make_trainer):
    """Return a function that gives a trainer and a network of it as it predicts."""

    def make(trainer_class, *arguments, **options):
        trainer = make_trainer(trainer_class, *arguments, **options)
        return trainer, shaken(build(trainer)).eval()

    return make


def test_the_table_has_the_four_methods():
    assert {"nnUNetTrainerRAHVED", "nnUNetTrainerRMBTS", "nnUNetTrainerMMFormer", "nnUNetTrainerM2FTrans"} == set(
        PUBLIC
    )


# --- What the network makes of a subset -------------------------------------------------------------------------------


@every_trainer
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


@every_trainer
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


@every_trainer
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


@every_trainer
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


@every_trainer
@torch.inference_mode()
def test_subsets_of_a_batch_come_one_after_another(predicting, trainer_class):
    trainer, network = predicting(trainer_class)
    image = image_of(trainer, batch=2)
    first = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)
    second = torch.tensor([[0, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    expected = torch.cat((network(image, first), network(image, second)))
    assert_near(network(image, torch.cat((first, second))), expected)


@every_trainer
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


@every_trainer
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


@every_trainer
def test_a_state_dict_does_not_depend_on_what_the_network_is_built_for(make_trainer, trainer_class):
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    trained = trainer.network.state_dict()
    shapes = {name: value.shape for name, value in trained.items()}
    for deep_supervision in (False, True):
        assert {n: v.shape for n, v in build(trainer, deep_supervision).state_dict().items()} == shapes
    assert not [name for name in shapes if "present" in name]


@every_trainer
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


@every_trainer
@torch.inference_mode()
def test_prediction_is_not_random_and_training_leaves_the_subset_alone(predicting, trainer_class):
    trainer, network = predicting(trainer_class)
    image = image_of(trainer)
    see_only(network, trainer.modalities.subset("T1,FLAIR"))
    expected = network(image)
    network(image, torch.ones(1, NUM_MODALITIES, dtype=torch.bool))  # as in a validation step
    assert torch.equal(network(image), expected)


# --- Plans and data sets ----------------------------------------------------------------------------------------------


def step(trainer, first_batch):
    """Train one step, check it, and return what it returned."""
    trainer.on_train_epoch_start()
    result = trainer.train_step(first_batch(trainer))
    assert all(math.isfinite(value) for value in result.values()), result
    parts = [trainer.network] + ([] if trainer.auxiliary is None else [trainer.auxiliary])
    for part in parts:
        # the coarsest scale of deep supervision has the weight 0; under DDP nnU-Net gives it a little
        missing = [name for name, p in part.named_parameters() if p.grad is None and "seg_layers.0" not in name]
        assert not missing, missing
        assert all(torch.isfinite(p.grad).all() for p in part.parameters() if p.grad is not None)
    return result


def validate(trainer, first_batch):
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        result = trainer.validation_step(next(trainer.get_dataloaders()[1]))
    assert math.isfinite(result["loss"])


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
@every_trainer
def test_every_kind_of_data_set_is_trained_on_and_predicted(
    make_trainer, first_batch, trainer_class, variant, configuration
):
    trainer = make_trainer(trainer_class, variant, configuration=configuration)
    trainer.initialize()
    step(trainer, first_batch)
    validate(trainer, first_batch)
    trainer.set_deep_supervision_enabled(False)
    network, image = trainer.network.eval(), image_of(trainer)
    with torch.inference_mode():
        for subset in (trainer.modalities.subsets()[0], trainer.modalities.all):
            see_only(network, subset)
            logits = network(image)
            assert logits.shape == (1, trainer.label_manager.num_segmentation_heads, *image.shape[2:])
            assert torch.isfinite(logits).all()


@pytest.mark.slow
@every_trainer
def test_a_residual_encoder_is_trained(make_trainer, make_dataset, first_batch, trainer_class):
    plans = copy.deepcopy(make_dataset("regions").plans)
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["network_class_name"] = architecture["network_class_name"].replace("PlainConv", "ResidualEncoder")
    architecture["arch_kwargs"]["n_blocks_per_stage"] = architecture["arch_kwargs"].pop("n_conv_per_stage")
    architecture["arch_kwargs"]["n_conv_per_stage_decoder"] = [1, 1]
    trainer = make_trainer(trainer_class, plans=plans)
    trainer.initialize()
    assert {type(encoder).__name__ for encoder in trainer.network.encoders} == {"ResidualEncoder"}
    step(trainer, first_batch)


@pytest.mark.slow
@every_trainer
def test_without_deep_supervision_a_step_is_as_sound(make_trainer, first_batch, trainer_class):
    trainer = make_trainer(trainer_class)
    trainer.enable_deep_supervision = False
    trainer.initialize()
    step(trainer, first_batch)


@every_trainer
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


# --- A training -------------------------------------------------------------------------------------------------------


def rows(trainer):
    with open(Path(trainer.output_folder) / "mstkd_metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@every_trainer
def test_an_epoch_records_each_term_and_its_model_is_loaded_back(make_trainer, first_batch, no_figures, trainer_class):
    name = trainer_class if trainer_class is MaskedConcatenationTrainer else f"{trainer_class.__name__}_1epoch"
    trainer = make_trainer(name)
    trainer.num_epochs = 1
    trainer.initialize()
    before = copy.deepcopy(trainer.network.state_dict())
    trainer.run_training()
    (row,) = rows(trainer)
    terms = {"segmentation", *trainer.term_weights(), "total"}
    assert {f"loss_{term}" for term in terms} <= set(row)
    assert all(math.isfinite(float(row[f"loss_{term}"])) for term in terms)
    assert {"dice_student_subsets", "dice_student_all"} <= set(row)
    checkpoint = torch.load(Path(trainer.output_folder) / "checkpoint_final.pth", weights_only=False)
    weights = checkpoint["network_weights"]
    unchanged = [key for key in before if torch.equal(before[key], weights[key])]
    assert not [key for key in unchanged if "seg_layers" not in key and not key.endswith("bias")]
    bare = build(trainer)  # nothing of what only training needs is in the model
    bare.load_state_dict(weights, strict=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_a_killed_and_continued_run_equals_an_uninterrupted_one(make_trainer, recorded_batches, no_figures, name):
    whole = make_trainer(f"{name}_2epochs", fold=0)
    whole.initialize()
    batches = recorded_batches.record(whole, num_epochs=2)
    batches.feed(whole)
    whole.run_training()
    killed = make_trainer(f"{name}_2epochs", fold=1)
    batches.feed(killed, stop_at=(1, 1))
    with pytest.raises(InterruptedError):
        killed.run_training()
    continued = make_trainer(f"{name}_2epochs", fold=1, continue_training=True)
    continued.load_checkpoint(str(Path(killed.output_folder) / "checkpoint_latest.pth"))
    assert continued.current_epoch == 1
    batches.feed(continued)
    continued.run_training()
    for one, other in zip(whole.trained_networks(), continued.trained_networks(), strict=True):
        first, second = one.state_dict(), other.state_dict()
        assert not [key for key in first if not torch.equal(first[key], second[key])]
    if getattr(whole, "adversary", None) is not None:
        first, second = (run.adversary.discriminator.state_dict() for run in (whole, continued))
        assert not [key for key in first if not torch.equal(first[key], second[key])]
    for one, other in zip(rows(whole), rows(continued), strict=True):
        assert {key: float(value) for key, value in one.items()} == {key: float(value) for key, value in other.items()}


@pytest.mark.slow
@every_trainer
def test_a_step_in_bfloat16_is_near_that_in_float32(make_trainer, first_batch, trainer_class):
    losses, batch = [], None
    for precision in ("float32", "bfloat16"):
        trainer = make_trainer(trainer_class, settings={"cpu_precision": precision})
        trainer.initialize()
        trainer.on_train_epoch_start()
        batch = batch or first_batch(trainer)
        result = trainer.train_step(copy.deepcopy(batch))
        assert all(math.isfinite(value) for value in result.values()), result
        losses.append(result["loss_segmentation"])
        validate(trainer, first_batch)
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[0] != losses[1], "bfloat16 was not used"


# --- Cases that lack modalities ---------------------------------------------------------------------------------------


def with_availability(trainer, **present):
    """Tell a trainer what cases have, as if their table said it; all others have everything."""
    cases = trainer.dataset_class.get_identifiers(trainer.preprocessed_dataset_folder)
    subsets = {case: trainer.modalities.all for case in cases}
    subsets.update({case: trainer.modalities.subset(text) for case, text in present.items()})
    trainer.available = AvailableModalities(Availability(trainer.modalities, subsets))
    return trainer


def noisy(batch, noise, lacking):
    """Return a copy of a batch with noise added to channels (by sample) that its cases lack."""
    data = batch["data"].clone()
    for sample, channels in lacking.items():
        data[sample, channels] += noise
    return copy.deepcopy({**batch, "data": data})


@every_trainer
def test_what_a_case_lacks_has_no_influence_on_a_step(make_trainer, first_batch, trainer_class):
    results, batch = [], None
    for noise in (0.0, 100.0):
        trainer = make_trainer(trainer_class)
        trainer.initialize()
        with_availability(trainer, blobTr_000="T1,T2", blobTr_001="T1ce")
        batch = batch or {**first_batch(trainer), "keys": np.array(["blobTr_000", "blobTr_001"])}
        spoilt = noisy(batch, noise, {0: [1, 3], 1: [0, 2, 3]})
        results.append(step(trainer, lambda _, spoilt=spoilt: spoilt))
    assert results[0] == results[1]


@every_trainer
def test_a_modality_that_a_whole_batch_lacks_leaves_every_weight_with_a_gradient(
    make_trainer, first_batch, trainer_class
):
    """DDP waits for each of them: `step` checks that they are there."""
    trainer = make_trainer(trainer_class)
    trainer.initialize()
    with_availability(trainer, blobTr_000="T1", blobTr_001="T1,T2")
    batch = {**first_batch(trainer), "keys": np.array(["blobTr_000", "blobTr_001"])}
    step(trainer, lambda _: batch)


@pytest.mark.slow
@every_trainer
def test_the_final_validation_tells_the_network_what_each_case_has(
    make_trainer, no_figures, monkeypatch, trainer_class
):
    trainer = make_trainer(trainer_class)
    trainer.num_epochs = 1
    trainer.initialize()
    training, validation = trainer.do_split()
    with_availability(trainer, **{validation[0]: "T1ce,FLAIR", training[0]: "T1"})
    seen = []
    original = type(trainer.network).forward

    def forward(network, image, modality_mask=None, return_features=False):
        if modality_mask is None:
            seen.append(network.present)
            absent = [channel for channel in range(NUM_MODALITIES) if channel not in network.present]
            assert not image[:, absent].any()
        return original(network, image, modality_mask, return_features)

    monkeypatch.setattr(type(trainer.network), "forward", forward)
    trainer.run_training()
    trainer.perform_actual_validation()
    assert list(dict.fromkeys(seen)) == [(1, 3), *[(0, 1, 2, 3)] * (len(validation) > 1)]
    assert trainer.network.present == (0, 1, 2, 3)  # of whoever uses it next
    written = Path(trainer.output_folder) / "validation"
    assert {file.name for file in written.glob("*.nii.gz")} == {f"{case}.nii.gz" for case in validation}


# --- Compiled and exported --------------------------------------------------------------------------------------------


@pytest.mark.slow
@every_trainer
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
@pytest.mark.parametrize("name", PUBLIC)
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
@every_trainer
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


def test_an_encoder_for_each_modality_is_narrow(make_trainer):
    network = build(make_trainer(MaskedConcatenationTrainer))
    assert isinstance(network, MultiEncoderNetwork)
    assert len(network.encoders) == NUM_MODALITIES
    assert all(
        2 * narrow == wide for narrow, wide in zip(network.encoder_features, network.stage_features, strict=True)
    )
