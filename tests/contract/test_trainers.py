"""What every trainer promises, against the real nnUNetTrainer and nnU-Net's real lookup."""

import copy
import csv
import dataclasses
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.load_pretrained_weights import load_pretrained_weights
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_mstkd import trainers
from nnunetv2_mstkd.cases.availability import Availability
from nnunetv2_mstkd.distillation.terms import DISCRIMINATORS
from nnunetv2_mstkd.errors import (
    CaseError,
    CheckpointError,
    ModalityError,
    NonFiniteLossError,
    SettingsError,
    UnsupportedNetworkError,
)
from nnunetv2_mstkd.trainers.available_modalities import AvailableModalities

NAMES = tuple(trainers.TRAINERS)
DISTILLING = tuple(
    name for name in NAMES if name.startswith(("nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMU"))
)
MAX_GRADIENT_NORM = 12  # nnU-Net's


@pytest.fixture
def no_figures(monkeypatch):
    """A figure takes longer than an epoch of these tests."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **kwargs: Path(file).touch())


def complete(batch_size):
    """What cases of four modalities have that lack nothing."""
    return np.full(batch_size, 15)


def rows(trainer):
    with open(Path(trainer.output_folder) / "mstkd_metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def load(trainer, name):
    return torch.load(Path(trainer.output_folder) / name, weights_only=False)


def assert_equal_weights(one, other):
    assert list(one) == list(other)
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different


# --- Lookup ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n + suffix for n in NAMES for suffix in ("", "_1epoch", "_7epochs")])
def test_lookup_finds_one_picklable_class(find_trainer, name):
    found = find_trainer(name)
    assert issubclass(found, nnUNetTrainer)
    assert found.__name__ == name
    assert find_trainer(name) is found
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(("suffix", "num_epochs"), [("_1epoch", 1), ("_7epochs", 7), ("", 1000)])
def test_suffix_sets_the_number_of_epochs(make_trainer, suffix, num_epochs):
    assert make_trainer(f"nnUNetTrainerModalityDropout{suffix}").num_epochs == num_epochs


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_trains_and_is_loaded_back_by_the_stock_predictor(make_trainer, name):
    trainer = make_trainer(f"{name}_1epoch")
    trainer.run_training()
    assert load(trainer, "checkpoint_final.pth")["trainer_name"] == f"{name}_1epoch"

    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,), "checkpoint_final.pth")
    assert predictor.trainer_name == f"{name}_1epoch"
    assert_equal_weights(predictor.network.state_dict(), trainer.network.state_dict())
    image = torch.randn(1, 4, *trainer.configuration_manager.patch_size)
    logits = predictor.network.eval()(image)
    assert logits.shape == (1, 3, *image.shape[2:])
    assert torch.isfinite(logits).all()


def test_a_users_subclass_decides_the_schedule(make_trainer, find_trainer):
    base = find_trainer("nnUNetTrainerMSTKD")

    class UserTrainer(base):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs = 3
            self.initial_lr = 0.5

    trainer = make_trainer(UserTrainer)
    trainer.initialize()
    assert trainer.num_epochs == 3
    assert trainer.lr_scheduler.max_steps == 3
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.5}
    assert "UserTrainer__" in trainer.output_folder


@pytest.mark.parametrize("shared", [True, False])
def test_initial_weights_of_the_teacher(make_trainer, shared):
    trainer = make_trainer("nnUNetTrainerMSTKD", settings={"shared_initialization": shared})
    trainer.initialize()
    student, teacher = trainer.network.state_dict(), trainer.teacher.state_dict()
    equal = [torch.equal(student[name], teacher[name]) for name in student if student[name].ndim > 1]
    assert all(equal) == shared
    assert trainer.network.encoder is not trainer.teacher.encoder, "equal at first, not the same"


@pytest.mark.parametrize(("name", "branches"), [("nnUNetTrainerModalityDropout", 1), ("nnUNetTrainerMSTKD", 2)])
def test_optimiser_of_the_settings(make_trainer, name, branches):
    stock = make_trainer(name)
    stock.initialize()
    assert type(stock.optimizer) is torch.optim.SGD
    assert {(g["lr"], g["weight_decay"], g["momentum"]) for g in stock.optimizer.param_groups} == {(1e-2, 3e-5, 0.99)}
    trainer = make_trainer(name, settings={"optimizer": "AdamW", "initial_lr": 1e-3, "weight_decay": 0.01})
    trainer.initialize()
    assert type(trainer.optimizer) is torch.optim.AdamW
    assert len(trainer.optimizer.param_groups) == branches
    assert {(group["lr"], group["weight_decay"]) for group in trainer.optimizer.param_groups} == {(1e-3, 0.01)}


def test_paper_trainer_uses_the_papers_optimiser(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKDPaper")
    trainer.initialize()
    assert type(trainer.optimizer) is torch.optim.Adam
    # METHOD.md section 3: Adam 1e-4, weight decay 1e-5
    assert {(group["lr"], group["weight_decay"]) for group in trainer.optimizer.param_groups} == {(1e-4, 1e-5)}
    assert trainer.network.transformer.embedding.out_channels == 768


# --- What data sets and plans may be ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "configuration"),
    [
        ("regions", "2d"),
        ("labels", "3d_fullres"),
        ("labels_ignore", "3d_fullres"),
        ("regions_ignore", "3d_fullres"),
        ("two_modalities", "3d_fullres"),
        ("five_modalities", "3d_fullres"),
        ("anisotropic", "3d_fullres"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        f"{name}_1epoch"
        for name in ("nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMUNet", "nnUNetTrainerModalityDropout")
    ],
)
def test_trains_on_every_kind_of_data_set(make_trainer, no_figures, name, variant, configuration):
    trainer = make_trainer(name, variant, configuration=configuration)
    trainer.initialize()
    before = copy.deepcopy(trainer.network.state_dict())
    trainer.run_training()
    after = load(trainer, "checkpoint_final.pth")["network_weights"]
    unchanged = [key for key in before if torch.equal(before[key], after[key])]
    # labels at coarser scales than deep supervision weighs (nnU-Net gives the coarsest weight 0) keep their head; the
    # bias before an instance norm has a gradient of rounding errors, yet weight decay moves it once it is not zero
    assert not [key for key in unchanged if "seg_layers" not in key and not key.endswith("bias")]
    assert all(torch.isfinite(value).all() for value in after.values())
    if name.removesuffix("_1epoch") in DISTILLING:
        values = {key: float(value) for row in rows(trainer) for key, value in row.items()}
        checked = {key: value for key, value in values.items() if key.startswith(("loss_", "gradient_"))}
        assert checked
        assert all(math.isfinite(value) for value in checked.values()), checked


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD_1epoch", "nnUNetTrainerModalityDropout_1epoch"])
def test_trains_a_residual_encoder(make_trainer, make_dataset, no_figures, name):
    plans = copy.deepcopy(make_dataset("regions").plans)
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["network_class_name"] = architecture["network_class_name"].replace("PlainConv", "ResidualEncoder")
    architecture["arch_kwargs"]["n_blocks_per_stage"] = architecture["arch_kwargs"].pop("n_conv_per_stage")
    architecture["arch_kwargs"]["n_conv_per_stage_decoder"] = [1, 1]
    trainer = make_trainer(name, plans=plans)
    trainer.run_training()
    assert type(trainer.network.encoder).__name__ == "ResidualEncoder"
    weights = load(trainer, "checkpoint_final.pth")["network_weights"]
    assert all(torch.isfinite(value).all() for value in weights.values())


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


@pytest.mark.parametrize("name", NAMES)
def test_training_with_the_mask_variable_writes_nothing(make_trainer, results, monkeypatch, name):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1ce,FLAIR")
    with pytest.raises(ModalityError, match="MSTKD_MODALITIES"):
        make_trainer(name)
    assert not list(results.iterdir())


# --- Settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_settings_of_the_plans_are_used_and_stored_with_the_model(make_trainer, no_figures):
    trainer = make_trainer(settings={"weight_logits": 3, "seed": 5, "fixed_subset": None})
    assert trainer.settings.weight_logits == 3.0
    assert trainer.settings.seed == 5
    trainer.run_training()
    stored = json.loads((Path(trainer.output_folder_base) / "plans.json").read_text())["mstkd"]
    assert (stored["weight_logits"], stored["seed"]) == (3.0, 5)
    assert stored["weight_multiscale"] == trainer.default_settings.weight_multiscale
    assert stored["channel_names"] == ["T1", "T1ce", "T2", "FLAIR"]
    assert load(trainer, "checkpoint_final.pth")["init_args"]["plans"]["mstkd"] == stored


def test_plans_are_not_needed_to_have_settings(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    assert trainer.settings == trainer.default_settings


def test_an_unknown_setting_is_refused_before_anything_is_written(make_trainer, results):
    with pytest.raises(SettingsError, match=r"weight_logit.*Did you mean 'weight_logits'"):
        make_trainer(settings={"weight_logit": 1.0})
    assert not list(results.iterdir())


def test_folds_of_one_model_have_one_set_of_settings(make_trainer):
    first = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=0, settings={"seed": 1})
    first.on_train_start()
    first.save_checkpoint(str(Path(first.output_folder) / "checkpoint_latest.pth"))
    same = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=1, settings={"seed": 1})
    same.on_train_start()
    other = make_trainer("nnUNetTrainerModalityDropout_1epoch", fold=1, settings={"seed": 2})
    with pytest.raises(SettingsError, match=r"fold_0.*'seed': 1.*'seed': 2"):
        other.on_train_start()
    stored = json.loads((Path(first.output_folder_base) / "plans.json").read_text())["mstkd"]
    assert stored["seed"] == 1


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_seed_governs_the_initial_weights_and_nothing_global(make_trainer, name):
    def weights(seed):
        torch.manual_seed(int(np.random.default_rng().integers(1000)))  # what ran before must not matter
        trainer = make_trainer(name, settings={"seed": seed})
        state = torch.get_rng_state()
        trainer.initialize()
        assert torch.equal(torch.get_rng_state(), state)
        return trainer.network.state_dict()

    first = weights(0)
    assert_equal_weights(first, weights(0))
    other = weights(1)
    assert any(not torch.equal(first[key], other[key]) for key in first)


# --- One step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_in_one_optimiser(make_trainer, name):
    trainer = make_trainer(name)
    trainer.initialize()
    groups = [[id(p) for p in group["params"]] for group in trainer.optimizer.param_groups]
    beside = [getattr(trainer, part, None) for part in ("teacher", "regressor", "auxiliary")]
    trained = [trainer.network, *(part for part in beside if part is not None)]
    assert groups == [[id(p) for p in part.parameters()] for part in trained]
    for adversary in getattr(trainer, "adversaries", {}).values():
        (group,) = adversary.optimizer.param_groups
        assert [id(p) for p in group["params"]] == [id(p) for p in adversary.discriminator.parameters()]
        assert not {id(p) for p in group["params"]} & {i for ids in groups for i in ids}


def gradient_norm(network):
    return torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm()


def test_branches_are_clipped_apart(make_trainer, first_batch):
    norms = []
    batch = None
    for weight in (1.0, 1e8):
        trainer = make_trainer("nnUNetTrainerMSTKD", settings={"weight_teacher_segmentation": weight})
        trainer.initialize()
        batch = batch or first_batch(trainer)
        trainer.train_step(copy.deepcopy(batch))
        norms.append((float(gradient_norm(trainer.network)), float(gradient_norm(trainer.teacher))))
    (student, _), (student_beside_huge_teacher, teacher) = norms
    assert teacher == pytest.approx(MAX_GRADIENT_NORM, rel=1e-3)
    assert student < MAX_GRADIENT_NORM
    assert student_beside_huge_teacher == pytest.approx(student, rel=1e-4)


def test_all_three_networks_are_trained_in_a_step(make_trainer, first_batch):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    trainer.initialize()
    networks = [trainer.network, trainer.teacher, trainer.discriminator]
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    trainer.train_step(first_batch(trainer))
    for network, old in zip(networks, before, strict=True):
        new = network.state_dict()
        assert any(not torch.equal(old[key], new[key]) for key in old)


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_a_broken_case_stops_the_training_and_is_named(make_trainer, first_batch, name):
    trainer = make_trainer(name)
    trainer.initialize()
    batch = first_batch(trainer)
    batch["data"][0] = torch.nan
    trainer.current_epoch, trainer.iteration = 3, 7
    with pytest.raises(NonFiniteLossError, match=r"segmentation.*epoch 3, iteration 7") as raised:
        trainer.train_step(batch)
    assert all(str(key) in str(raised.value) for key in batch["keys"])


def test_an_absent_modality_has_no_influence_on_a_step(make_trainer, first_batch):
    losses = []
    batch = None
    for noise in (0.0, 100.0):
        trainer = make_trainer("nnUNetTrainerModalityDropout")
        trainer.initialize()
        batch = batch or first_batch(trainer)
        data = batch["data"].clone()
        absent = ~trainer.training_mask(complete(len(data)))
        assert absent.any(), "choose another seed: nothing is absent in this batch"
        data[absent] += noise
        losses.append(trainer.train_step({**batch, "data": data})["loss"])
    assert losses[0] == losses[1]


def test_validation_takes_each_subset_in_turn(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    seen = []
    for trainer.iteration in range(15):
        seen += [tuple(row) for row in trainer.validation_mask(complete(2)).tolist()]
    subsets = [subset.present for subset in trainer.modalities.subsets()]
    # 15 iterations of 2 samples: two rounds, the second one place later
    assert seen == [*subsets, *subsets[1:], subsets[0]]


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_validation_masks_what_the_student_sees(make_trainer, name):
    trainer = make_trainer(name)
    trainer.on_train_start()
    trainer.on_validation_epoch_start()
    batch = next(trainer.dataloader_val)
    seen = []
    trainer.network.register_forward_pre_hook(lambda network, args: seen.append(args[0].clone()))
    with torch.no_grad():
        trainer.validation_step(batch)
    expected = batch["data"].clone()
    first, second = trainer.modalities.subsets()[:2]  # batch size 2, iteration 0
    for sample, subset in enumerate((first, second)):
        expected[sample, [c for c in range(4) if c not in subset.channels]] = 0
    assert torch.equal(seen[0], expected)
    assert trainer.iteration == 1


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["labels_ignore", "regions_ignore"])
def test_every_dice_ignores_the_ignore_label(make_trainer, variant):
    """nnU-Net's validation step overwrites the ignore label in its target, which three networks share here."""
    trainer = make_trainer("nnUNetTrainerMSTKD", variant)
    trainer.initialize()
    trainer.on_validation_epoch_start()
    # the first slices of each case are unlabelled, and a random network predicts foreground there
    batches = trainer.get_dataloaders()[1]
    batch = next(batches)
    with torch.no_grad():
        expected = {}
        for prefix, network in (("student_", trainer.network), ("teacher_", trainer.teacher)):
            stock = copy.copy(trainer)
            stock.network = network
            counts = nnUNetTrainer.validation_step(stock, copy.deepcopy(batch))
            expected.update({f"{prefix}{name}": counts[name] for name in ("tp_hard", "fp_hard", "fn_hard")})
        result = trainer.validation_step(copy.deepcopy(batch))
    for name, counts in expected.items():
        assert np.array_equal(result[name], counts), name
    voxels = batch["target"][0][:, 0].numel()
    assert sum(expected[f"teacher_{c}_hard"].max() for c in ("tp", "fp", "fn")) < voxels


@pytest.mark.parametrize("moved", ["current_epoch", "iteration", "local_rank"])
def test_dropout_differs_from_step_to_step_but_not_from_run_to_run(make_trainer, moved):
    trainer = make_trainer("nnUNetTrainerMSTKD")

    def draw():
        with trainer.step_rng():
            return torch.rand(8)

    here = draw()
    assert torch.equal(draw(), here)
    setattr(trainer, moved, 1)
    assert not torch.equal(draw(), here)


# --- Cases that lack modalities ---------------------------------------------------------------------------------------


def with_availability(trainer, **present):
    """Tell a trainer what cases have, as if their table said it; all others have everything."""
    cases = trainer.dataset_class.get_identifiers(trainer.preprocessed_dataset_folder)
    subsets = {case: trainer.modalities.all for case in cases}
    subsets.update({case: trainer.modalities.subset(text) for case, text in present.items()})
    trainer.available = AvailableModalities(Availability(trainer.modalities, subsets))
    return trainer


@pytest.fixture
def incomplete_trainer(make_trainer):
    """Return a function that makes an initialised trainer whose first two cases lack modalities."""

    def make(name, **settings):
        trainer = make_trainer(name, settings=settings)
        trainer.initialize()
        return with_availability(trainer, blobTr_000="T1,T2", blobTr_001="T1ce")

    return make


def batch_of(first_batch, trainer, *cases):
    batch = first_batch(trainer)
    return {**batch, "keys": np.array(cases)}


@pytest.mark.parametrize(
    "name", ["nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMUNet", "nnUNetTrainerModalityDropout"]
)
def test_what_a_case_lacks_has_no_influence_on_a_step_of_any_branch(incomplete_trainer, first_batch, name):
    results, batch = [], None
    for noise in (0.0, 100.0):
        trainer = incomplete_trainer(name)
        batch = batch or batch_of(first_batch, trainer, "blobTr_000", "blobTr_001")
        data = batch["data"].clone()
        data[0, [1, 3]] += noise
        data[1, [0, 2, 3]] += noise
        results.append(trainer.train_step(copy.deepcopy({**batch, "data": data})))
    assert results[0] == results[1]
    assert all(math.isfinite(value) for value in results[0].values())


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMUNet"])
def test_segmentation_terms_act_where_distillation_terms_do_not(incomplete_trainer, first_batch, name):
    trainer = incomplete_trainer(name)
    result = trainer.train_step(batch_of(first_batch, trainer, "blobTr_000", "blobTr_001"))
    discriminators = {f"loss_{loss}" for loss in DISCRIMINATORS.values()}
    terms = {name for name in result if name.startswith("loss_")} - {"loss_total", *discriminators}
    segmentation = {"loss_segmentation", "loss_teacher_segmentation"}
    assert all(result[name] != 0 for name in segmentation)
    assert {result[name] for name in terms - segmentation} == {0.0}


def test_the_complete_sample_of_a_mixed_batch_is_distilled(incomplete_trainer, first_batch):
    trainer = incomplete_trainer("nnUNetTrainerMSTKD")
    result = trainer.train_step(batch_of(first_batch, trainer, "blobTr_000", "blobTr_002"))
    assert result["loss_consistency"] > 0
    assert result["loss_multiscale"] > 0


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerModalityDropout"])
def test_validation_shows_nothing_that_a_case_lacks(incomplete_trainer, first_batch, name):
    trainer = incomplete_trainer(name)
    trainer.on_validation_epoch_start()
    batch = batch_of(first_batch, trainer, "blobTr_000", "blobTr_001")
    seen = []
    for network in trainer.branches().values():
        network.register_forward_pre_hook(lambda network, args: seen.append(args[0].clone()))
    with torch.no_grad():
        trainer.validation_step(copy.deepcopy(batch))
    assert len(seen) == 1 + len(trainer.branches())  # the subset at hand, then each branch with all that there is
    for image in seen:
        assert not image[0, [1, 3]].any()
        assert not image[1, [0, 2, 3]].any()
        assert image[0, 0].any()
        assert image[1, 1].any()


def test_a_batch_that_is_not_distilled_has_no_gradient_norms_on_record(incomplete_trainer, first_batch):
    trainer = incomplete_trainer("nnUNetTrainerMSTKD")
    trainer.train_step(batch_of(first_batch, trainer, "blobTr_000", "blobTr_001"))
    norms = {name: value for name, value in trainer.record.items() if name.startswith("gradient_")}
    assert norms.pop("gradient_segmentation") > 0
    assert norms
    assert all(math.isnan(value) for value in norms.values())


def test_a_case_of_the_splits_that_was_not_preprocessed_is_named(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1"})
    trainer.initialize()
    trainer.available = AvailableModalities(
        Availability(trainer.modalities, {"blobTr_000": trainer.modalities.subset("T1")})
    )
    with pytest.raises(CaseError, match=r"blobTr_\d+ is in the splits, but not among the preprocessed"):
        trainer.do_split()


def test_training_where_no_case_is_complete_is_refused_unless_they_count(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD")
    trainer.initialize()
    lacking = {case: "T1,T2" for case in trainer.dataset_class.get_identifiers(trainer.preprocessed_dataset_folder)}
    with_availability(trainer, **lacking)
    with pytest.raises(SettingsError, match=r"nothing to distil.*incomplete_teacher_weight"):
        trainer.get_tr_and_val_datasets()
    counting = make_trainer("nnUNetTrainerMSTKD", settings={"incomplete_teacher_weight": 0.5})
    counting.initialize()
    with_availability(counting, **lacking).get_tr_and_val_datasets()


def test_a_fixed_subset_leaves_out_the_cases_that_lack_it(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1,T2"})
    trainer.initialize()
    everything = trainer.do_split()
    with_availability(trainer, blobTr_000="T1,T2", blobTr_001="T1ce")
    kept = trainer.do_split()
    assert [set(all_of) - set(some) for all_of, some in zip(everything, kept, strict=True)] in (
        [{"blobTr_001"}, set()],
        [set(), {"blobTr_001"}],
    )
    with_availability(trainer, **dict.fromkeys([*everything[0], *everything[1]], "FLAIR"))
    with pytest.raises(ModalityError, match=r"T1\+T2, which 0 of \d+ training cases"):
        trainer.do_split()


def test_warm_up_shows_all_that_a_case_has(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD_10epochs", settings={"warm_up_fraction": 0.5})
    available = np.array([15, 5])  # everything; T1 and T2
    trainer.current_epoch = 4
    assert trainer.training_mask(available).tolist() == [[True] * 4, [True, False, True, False]]
    trainer.current_epoch = 5
    drawn = []
    for trainer.iteration in range(20):
        drawn += trainer.training_mask(available).tolist()
    assert [True, False, False, False] in drawn


def test_drop_probabilities_reach_the_draw(make_trainer):
    trainer = make_trainer("nnUNetTrainerMSTKD", settings={"drop_probabilities": {"t1gd": 0.99, "FLAIR": 0}})
    masks = []
    for trainer.iteration in range(20):
        masks += trainer.training_mask(complete(2)).tolist()
    assert all(mask[3] for mask in masks)
    assert sum(mask[1] for mask in masks) < 5


def test_a_drop_probability_of_an_unknown_modality_is_refused(make_trainer, results):
    with pytest.raises(ModalityError, match=r"T1x.*The modalities are"):
        make_trainer("nnUNetTrainerMSTKD", settings={"drop_probabilities": {"T1x": 0.3}})
    assert not list(results.iterdir())


# --- The baseline of one subset ---------------------------------------------------------------------------------------


def test_fixed_subset_never_sees_the_others(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "t1gd,FLAIR"})
    trainer.initialize()
    trainer.network.eval()
    image = torch.randn(2, 4, 20, 24, 24)
    changed = image.clone()
    changed[:, [0, 2]] = 1e4 * torch.randn(2, 2, 20, 24, 24)
    with torch.no_grad():
        for one, other in zip(trainer.network(image), trainer.network(changed), strict=True):
            assert torch.equal(one, other)
        changed[:, 1] += 1
        assert not torch.equal(trainer.network(image)[0], trainer.network(changed)[0])
    for mask in (trainer.training_mask(complete(2)), trainer.validation_mask(complete(2))):
        assert mask.tolist() == 2 * [[False, True, False, True]]  # nothing more is dropped


@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerSMUNet"])
def test_the_teacher_of_a_dedicated_student_sees_everything(make_trainer, first_batch, name):
    """In training and validation; the student sees its subset, and each sample of it counts as missing something."""
    trainer = make_trainer(name, settings={"fixed_subset": "T1ce,FLAIR"})
    trainer.initialize()
    batch = first_batch(trainer)
    seen = {"teacher": [], "student": []}
    encoders = {"teacher": trainer.teacher.encoder, "student": trainer.network.encoder}
    for which, encoder in encoders.items():
        encoder.register_forward_pre_hook(lambda encoder, args, which=which: seen[which].append(args[0].detach()))
    trainer.iteration = 1  # not the one with the probe
    trainer.train_step(copy.deepcopy(batch))
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        trainer.validation_step(copy.deepcopy(batch))
    subset = batch["data"].clone()
    subset[:, [0, 2]] = 0
    assert len(seen["teacher"]) == 2  # a training step, and the validation with all modalities
    assert len(seen["student"]) == 3
    assert all(torch.equal(image, batch["data"]) for image in seen["teacher"])
    assert all(torch.equal(image, subset) for image in seen["student"])
    target = trainer._step_target(batch["target"], trainer.training_mask(complete(2)), complete(2))
    assert target.teacher_is_complete.tolist() == [True, True]
    assert target.is_complete.tolist() == [False, False]


def test_a_dedicated_student_of_incomplete_cases_is_taught_by_complete_ones_alone(incomplete_trainer):
    trainer = incomplete_trainer("nnUNetTrainerMSTKD", fixed_subset="T1,T2")
    available = trainer.available.codes(["blobTr_000", "blobTr_002"])  # T1 and T2 alone; everything
    mask = trainer.training_mask(available)
    assert mask.tolist() == [[True, False, True, False]] * 2
    target = trainer._step_target(torch.zeros(2, 3, 4, 4, 4), mask, available)
    assert target.teacher_is_complete.tolist() == [False, True]
    assert target.is_complete.tolist() == [False, False]


def test_a_dedicated_student_predicts_from_its_subset(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch", settings={"fixed_subset": "T1ce,FLAIR"})
    trainer.run_training()
    predictor = nnUNetPredictor(device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,), "checkpoint_final.pth")
    network = predictor.network.eval()
    image = torch.randn(1, 4, *trainer.configuration_manager.patch_size)
    other = image.clone()
    other[:, [0, 2]] = torch.nan
    with torch.no_grad():
        assert torch.equal(network(image), network(other))


@pytest.mark.parametrize("teacher", ["shared", "ema"])
def test_a_dedicated_student_cannot_be_its_own_teacher(make_trainer, results, teacher):
    with pytest.raises(
        SettingsError, match=f"fixed_subset.*'teacher' '{teacher}' the teacher has the student's weights"
    ):
        make_trainer("nnUNetTrainerMSTKD", settings={"fixed_subset": "T1", "teacher": teacher})
    assert not list(results.iterdir())


def test_a_wrong_fixed_subset_is_refused_before_anything_is_written(make_trainer, results):
    with pytest.raises(ModalityError, match=r"T1x.*The modalities are: T1 \(channel 0\)"):
        make_trainer("nnUNetTrainerModalityDropout", settings={"fixed_subset": "T1x"})
    assert not list(results.iterdir())


# --- The record -------------------------------------------------------------------------------------------------------

OF_MSTKD = {"consistency", "logits", "multiscale", "extreme_value", "style_matching", "adversarial"}
TERMS = {
    "nnUNetTrainerMSTKD": OF_MSTKD,
    "nnUNetTrainerMSTKD_noMSTKD": OF_MSTKD - {"multiscale", "extreme_value"},
    "nnUNetTrainerMSTKD_noGSME": OF_MSTKD - {"style_matching", "adversarial"},
    "nnUNetTrainerMSTKD_noSLKD": OF_MSTKD - {"consistency", "logits"},
    "nnUNetTrainerMSTKDPaper": OF_MSTKD,
    "nnUNetTrainerACN": {"consistency", "mutual_information", "entropy_adversarial", "knowledge_adversarial"},
    "nnUNetTrainerSMUNet": {"consistency", "content", "gram_style", "adversarial"},
}


@pytest.mark.slow
def test_record_goes_to_the_loggers_that_nnunet_has_switched_on(make_trainer, no_figures):
    class Recorder:  # has what nnU-Net's Weights & Biases logger has
        def __init__(self):
            self.logged = {}

        def log(self, key, value, step):
            self.logged[key, step] = value

        def log_summary(self, key, value): ...

        def update_config(self, config): ...

    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
    recorder = Recorder()
    trainer.logger.loggers.append(recorder)
    trainer.run_training()
    (record,) = rows(trainer)
    for name in set(record) - {"epoch"}:
        assert recorder.logged[f"mstkd/{name}", 0] == float(record[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTILLING)
def test_every_term_weight_and_gradient_is_recorded(make_trainer, name):
    trainer = make_trainer(f"{name}_1epoch")
    trainer.run_training()
    (row,) = rows(trainer)
    terms = TERMS[name]
    expected = {f"{kind}_{term}" for term in terms for kind in ("loss", "weight", "gradient")}
    expected |= {"epoch", "ramp", "loss_total", "loss_segmentation", "loss_teacher_segmentation"}
    expected |= {"gradient_segmentation"}
    expected |= {"attention_entropy_student", "attention_entropy_teacher"}
    expected |= {"dice_student_subsets", "dice_student_all", "dice_teacher_all"}
    expected |= {f"loss_{loss}" for term, loss in DISCRIMINATORS.items() if term in terms}
    assert set(row) == expected
    entropy = float(row["attention_entropy_student"])
    assert 0 < entropy <= 1 if trainer.settings.use_multiscale_transformer else math.isnan(entropy)
    assert float(row["ramp"]) == pytest.approx(math.exp(-5))  # of the first iteration
    assert (Path(trainer.output_folder) / "mstkd_progress.png").stat().st_size > 0


@pytest.mark.slow
def test_the_baseline_records_its_loss_and_dice(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout_1epoch")
    trainer.run_training()
    (row,) = rows(trainer)
    assert set(row) == {"epoch", "loss_segmentation", "dice_student_subsets", "dice_student_all"}
    assert float(row["loss_segmentation"]) == pytest.approx(trainer.logger.get_value("train_losses", step=0), abs=1e-6)
    assert (Path(trainer.output_folder) / "mstkd_progress.png").stat().st_size > 0


# --- Checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnUNetTrainerMSTKD", "nnUNetTrainerACN", "nnUNetTrainerModalityDropout"])
def test_a_killed_and_continued_run_equals_an_uninterrupted_one(make_trainer, recorded_batches, no_figures, name):
    whole = make_trainer(f"{name}_4epochs", fold=0)
    whole.initialize()
    batches = recorded_batches.record(whole, num_epochs=4)
    batches.feed(whole)
    whole.run_training()

    killed = make_trainer(f"{name}_4epochs", fold=1)
    batches.feed(killed, stop_at=(2, 1))
    with pytest.raises(InterruptedError):
        killed.run_training()
    continued = make_trainer(f"{name}_4epochs", fold=1, continue_training=True)
    continued.load_checkpoint(str(Path(killed.output_folder) / "checkpoint_latest.pth"))
    assert continued.current_epoch == 2
    batches.feed(continued)
    continued.run_training()

    assert_equal_weights(whole.network.state_dict(), continued.network.state_dict())
    assert not (Path(continued.output_folder) / "checkpoint_latest.pth").exists()
    for key in ("train_losses", "val_losses", "mean_fg_dice", "ema_fg_dice"):
        assert whole.logger.get_value(key, step=None) == continued.logger.get_value(key, step=None)
    if name in DISTILLING:
        assert_equal_weights(whole.teacher.state_dict(), continued.teacher.state_dict())
        for term, adversary in whole.adversaries.items():
            assert_equal_weights(
                adversary.discriminator.state_dict(), continued.adversaries[term].discriminator.state_dict()
            )
    if getattr(whole, "regressor", None) is not None:
        assert_equal_weights(whole.regressor.state_dict(), continued.regressor.state_dict())
    assert [float(row["epoch"]) for row in rows(continued)] == [0, 1, 2, 3]
    for one, other in zip(rows(whole), rows(continued), strict=True):
        assert {k: repr(float(v)) for k, v in one.items()} == {k: repr(float(v)) for k, v in other.items()}  # nan too


@pytest.mark.slow
def test_finished_checkpoints_hold_the_student_alone(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
    trainer.run_training()
    student = sum(value.nbytes for value in trainer.network.state_dict().values())
    for name in ("checkpoint_best.pth", "checkpoint_final.pth"):
        checkpoint = load(trainer, name)
        assert set(checkpoint) == {
            "network_weights", "logging", "_best_ema", "current_epoch", "init_args", "trainer_name",
            "inference_allowed_mirroring_axes",
        }  # fmt: skip
        # once the student, and 100 kB for plans, names and log; a momentum alone would weigh as much as the student
        assert (Path(trainer.output_folder) / name).stat().st_size < student + 100_000 < 2 * student
        network = trainer.build_network_architecture(
            trainer.plans_manager, trainer.configuration_manager, 4, 3, enable_deep_supervision=False
        )
        network.load_state_dict(checkpoint["network_weights"], strict=True)
    assert_equal_weights(checkpoint["network_weights"], trainer.network.state_dict())


@pytest.mark.slow
def test_a_finished_run_can_be_loaded_to_continue_and_to_validate(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
    trainer.run_training()
    again = make_trainer("nnUNetTrainerMSTKD_1epoch", continue_training=True)
    again.load_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    assert again.has_training_state
    assert_equal_weights(trainer.teacher.state_dict(), again.teacher.state_dict())
    assert again.current_epoch == 1
    again.run_training()  # nothing to do: must not fail


@pytest.mark.slow
def test_continuing_from_a_student_alone_is_refused(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_2epochs")
    trainer.on_train_start()
    best = str(Path(trainer.output_folder) / "checkpoint_best.pth")
    trainer.save_checkpoint(best)
    again = make_trainer("nnUNetTrainerMSTKD_2epochs", continue_training=True)
    again.load_checkpoint(best)  # to validate with it is fine
    with pytest.raises(CheckpointError, match="student only"):
        again.run_training()


@pytest.mark.parametrize(
    ("name", "settings", "configuration", "theirs", "ours"),
    [
        ("nnUNetTrainerMSTKD_noGSME", None, "3d_fullres", "'nnUNetTrainerMSTKD'", "'nnUNetTrainerMSTKD_noGSME'"),
        ("nnUNetTrainerMSTKD", {"seed": 9}, "3d_fullres", "{'seed': 0}", "{'seed': 9}"),
        ("nnUNetTrainerMSTKD", None, "2d", "'3d_fullres'", "'2d'"),
    ],
)
def test_a_foreign_checkpoint_is_refused_and_both_sides_named(
    make_trainer, tmp_path, name, settings, configuration, theirs, ours
):
    writer = make_trainer("nnUNetTrainerMSTKD")
    writer.initialize()
    file = str(tmp_path / "checkpoint_latest.pth")
    writer.save_checkpoint(file)
    reader = make_trainer(name, settings=settings, configuration=configuration)
    with pytest.raises(CheckpointError) as raised:
        reader.load_checkpoint(file)
    assert f"is {theirs}, that of this run is {ours}" in str(raised.value)


def test_a_checkpoint_from_before_there_were_other_terms_is_continued(make_trainer, first_batch, tmp_path):
    writer = make_trainer("nnUNetTrainerMSTKD")
    writer.initialize()
    writer.train_step(first_batch(writer))
    file = tmp_path / "checkpoint_latest.pth"
    writer.save_checkpoint(str(file))
    checkpoint = torch.load(file, weights_only=False)
    for term in ("gram_style", "mutual_information", "entropy_adversarial", "knowledge_adversarial"):
        del checkpoint["init_args"]["plans"]["mstkd"][f"weight_{term}"]
    state = checkpoint["training_state"]
    state["adversary_state"] = state.pop("adversaries")["adversarial"]
    torch.save(checkpoint, file)
    reader = make_trainer("nnUNetTrainerMSTKD")
    reader.load_checkpoint(str(file))
    assert_equal_weights(writer.discriminator.state_dict(), reader.discriminator.state_dict())
    states = [trainer.adversaries["adversarial"].optimizer.state_dict()["state"] for trainer in (writer, reader)]
    assert torch.equal(states[0][0]["exp_avg"], states[1][0]["exp_avg"])


def test_other_plans_are_refused_and_both_named(make_trainer, make_dataset, tmp_path):
    writer = make_trainer("nnUNetTrainerMSTKD")
    writer.initialize()
    file = str(tmp_path / "checkpoint_latest.pth")
    writer.save_checkpoint(file)
    plans = {**copy.deepcopy(make_dataset("regions").plans), "plans_name": "nnUNetPlansOther"}
    with pytest.raises(CheckpointError, match=r"nnUNetPlansTiny.*nnUNetPlansOther"):
        make_trainer("nnUNetTrainerMSTKD", plans=plans).load_checkpoint(file)


def test_a_long_run_is_saved_every_tenth_of_its_epochs(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout_20epochs")
    trainer.on_train_start()
    assert trainer.save_every <= 2  # a tenth of 20


def test_a_user_may_save_more_often(make_trainer):
    trainer = make_trainer("nnUNetTrainerModalityDropout_100epochs")
    trainer.save_every = 3
    trainer.on_train_start()
    assert trainer.save_every == 3


@pytest.mark.slow
def test_there_is_a_checkpoint_to_continue_from_after_the_first_epoch(make_trainer, recorded_batches, no_figures):
    trainer = make_trainer("nnUNetTrainerModalityDropout_100epochs")
    trainer.initialize()
    batches = recorded_batches.record(trainer, num_epochs=2)
    batches.feed(trainer, stop_at=(1, 0))
    with pytest.raises(InterruptedError):
        trainer.run_training()
    assert load(trainer, "checkpoint_latest.pth")["current_epoch"] == 1


# --- Pretrained weights -----------------------------------------------------------------------------------------------


def pretrained_from(make_trainer, tmp_path, name):
    donor = make_trainer(name, settings={"seed": 77} if name != "nnUNetTrainer" else None)
    donor.on_train_start()
    file = str(tmp_path / "donor.pth")
    donor.save_checkpoint(file)
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
    trainer.initialize()
    before = copy.deepcopy(dict(trainer.network.state_dict()))
    load_pretrained_weights(trainer.network, file)
    return torch.load(file, weights_only=False)["network_weights"], before, trainer


def test_stock_weights_start_both_branches(make_trainer, tmp_path):
    donated, _, trainer = pretrained_from(make_trainer, tmp_path, "nnUNetTrainer")
    trainer.on_train_start()
    for branch in (trainer.network, trainer.teacher):
        taken = branch.state_dict()
        plan = [key for key in taken if key.startswith(("encoder.", "decoder.")) and "seg_layers" not in key]
        assert len(plan) > 20
        assert all(torch.equal(taken[key], donated[key]) for key in plan)
        heads = [key for key in taken if "seg_layers" in key and key.endswith("weight")]
        assert heads
        assert not any(torch.equal(taken[key], donated[key]) for key in heads)


def test_own_weights_bring_the_transformer_too(make_trainer, tmp_path):
    donated, before, trainer = pretrained_from(make_trainer, tmp_path, "nnUNetTrainerMSTKD")
    own = [k for k in donated if k.startswith(("transformer.blocks", "fusion.")) and k.endswith("in.weight")]
    assert own
    for branch in (trainer.network, trainer.teacher):
        taken = branch.state_dict()
        assert all(torch.equal(taken[key], donated[key]) for key in own)
    assert not any(torch.equal(before[key], donated[key]) for key in own)


def test_after_the_start_the_state_dict_is_an_ordinary_one(make_trainer, tmp_path):
    _, _, trainer = pretrained_from(make_trainer, tmp_path, "nnUNetTrainer")
    trainer.on_train_start()
    weights = trainer.network.state_dict()
    assert list(dict(weights.items())) == list(weights.keys()) == list(torch.nn.Module.state_dict(trainer.network))
    assert "state_dict" not in vars(trainer.network)
    assert "load_state_dict" not in vars(trainer.network)
    teacher = copy.deepcopy(dict(trainer.teacher.state_dict()))
    trainer.network.load_state_dict({key: torch.zeros_like(value) for key, value in weights.items()})
    assert_equal_weights(teacher, dict(trainer.teacher.state_dict()))  # no longer follows


@pytest.mark.slow
def test_a_new_run_sets_the_checkpoints_of_an_earlier_one_aside(make_trainer, no_figures):
    make_trainer("nnUNetTrainerMSTKD_1epoch").run_training()
    again = make_trainer("nnUNetTrainerMSTKD_1epoch")
    folder = Path(again.output_folder)
    earlier = (folder / "checkpoint_final.pth").read_bytes()
    again.on_train_start()
    # nnU-Net's --c would take a checkpoint_final or checkpoint_best before it starts anew
    assert not list(folder.glob("checkpoint_*.pth"))
    assert (folder / "previous_checkpoint_final.pth").read_bytes() == earlier


@pytest.mark.slow
def test_a_training_that_its_data_refuses_leaves_the_earlier_model(make_trainer, no_figures, monkeypatch):
    make_trainer("nnUNetTrainerMSTKD_1epoch").run_training()
    again = make_trainer("nnUNetTrainerMSTKD_1epoch")

    def refuse(*_, **__):
        raise CaseError("table and data disagree")

    monkeypatch.setattr("nnunetv2_mstkd.trainers.subset_trainer.find_availability", refuse)
    with pytest.raises(CaseError):
        again.on_train_start()
    assert (Path(again.output_folder) / "checkpoint_final.pth").is_file()


@pytest.mark.slow
def test_a_finished_run_without_training_state_saves_no_random_one(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
    trainer.run_training()
    folder = Path(trainer.output_folder)
    state_file = folder / "checkpoint_final_training_state.pth"
    assert state_file.is_file()
    state_file.unlink()
    continued = make_trainer("nnUNetTrainerMSTKD_1epoch", continue_training=True)
    continued.load_checkpoint(str(folder / "checkpoint_final.pth"))
    continued.run_training()
    assert not state_file.exists()
    assert_equal_weights(load(trainer, "checkpoint_final.pth")["network_weights"], trainer.network.state_dict())


def test_a_users_trainer_may_bring_settings_of_its_own(find_trainer, make_trainer):
    parent = find_trainer("nnUNetTrainerMSTKD")

    @dataclasses.dataclass(frozen=True)
    class OwnSettings(type(parent.default_settings)):
        own: float = 1.0

    class nnUNetTrainerOwn(parent):
        default_settings = OwnSettings()

    trainer = make_trainer(nnUNetTrainerOwn, settings={"own": 2.0})
    assert trainer.settings.own == 2.0
    trainer.initialize()  # reads the stored section again


@pytest.mark.slow
def test_the_best_ema_dice_survives_a_continuation(make_trainer, no_figures):
    trainer = make_trainer("nnUNetTrainerMSTKD_1epoch")
    trainer.run_training()
    file = Path(trainer.output_folder) / "checkpoint_final.pth"
    checkpoint = load(trainer, "checkpoint_final.pth")
    checkpoint["_best_ema"] = None  # nnU-Net's own record is an epoch late in checkpoint_latest
    checkpoint["logging"]["ema_fg_dice"] = [0.25, 0.75, 0.5]
    torch.save(checkpoint, file)
    continued = make_trainer("nnUNetTrainerMSTKD_1epoch", continue_training=True)
    continued.load_checkpoint(str(file))
    assert continued._best_ema == 0.75
