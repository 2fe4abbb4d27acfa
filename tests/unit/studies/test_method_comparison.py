"""studies/method_comparison: the arms are comparable, the time is kept to, and the table says what was measured."""

import importlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[3] / "studies"))  # scripts, no part of the package
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

import method_comparison
import study_data
from arms import ARMS, COMPARED_ARMS, NATIVE_ARMS, OWN_MODEL_ARMS, find_arm
from comparison_table import comparison, comparison_table
from study_data import Cohort
from trial import Schedule, Trial

from nnunetv2_mstkd.trainers.adversary import Adversary

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


@pytest.fixture
def method_costs(monkeypatch):
    """The benchmark, whose import points nnU-Net at empty folders: for this test alone."""
    before = {name: os.environ.get(name) for name in FOLDERS}
    try:
        module = importlib.import_module("method_costs")
    finally:  # other tests must not pay for what breaks here
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    empty = importlib.import_module("bare_trainer")._FOLDERS.name
    for name in FOLDERS:
        monkeypatch.setenv(name, empty)
    return module


@pytest.fixture
def method_counts(method_costs):
    """What it counts with, imported by it."""
    return importlib.import_module("method_counts")


# --- arms ------------------------------------------------------------------------------------------------------------


def test_nine_methods_are_compared_each_with_its_own_defaults():
    assert len({arm.trainer for arm in COMPARED_ARMS.values()}) == len(COMPARED_ARMS) == 9
    assert not any(arm.settings or arm.only_subset for arm in COMPARED_ARMS.values())
    assert {name: COMPARED_ARMS[name] for name in ("nnunet", "dropout", "mstkd")}.items() <= ARMS.items()


@pytest.mark.parametrize("name", [*COMPARED_ARMS, *NATIVE_ARMS, *OWN_MODEL_ARMS])
def test_every_arm_is_a_trainer_with_valid_settings(name, find_trainer):
    arm = find_arm(name)
    defaults = getattr(find_trainer(arm.trainer), "default_settings", None)
    assert (defaults is None) == (name == "nnunet")
    if defaults is not None:
        assert (replace(defaults, **arm.settings) == defaults) == (name in COMPARED_ARMS)  # raises SettingsError


@pytest.mark.parametrize("name", COMPARED_ARMS)
def test_no_method_has_an_optimiser_of_its_own(name, find_trainer):
    """One recipe for all: the native one of each method is an option."""
    trainer = find_trainer(find_arm(name).trainer)
    settings = getattr(trainer, "default_settings", None)
    if settings is not None:
        common = find_trainer("nnUNetTrainerModalityDropout").default_settings
        recipe = ("optimizer", "initial_lr", "weight_decay", "drop_probabilities", "seed")
        assert {key: getattr(settings, key) for key in recipe} == {key: getattr(common, key) for key in recipe}
        assert getattr(settings, "fixed_subset", None) is None


def test_a_native_recipe_is_an_optimiser_alone():
    for name, arm in NATIVE_ARMS.items():
        assert arm.trainer == COMPARED_ARMS[name.removesuffix("_native")].trainer
        assert set(arm.settings) == {"optimizer", "initial_lr", "weight_decay"}


def test_the_benchmark_of_costs_measures_the_compared_trainers(method_costs):
    assert set(method_costs.METHODS) == {arm.trainer for arm in COMPARED_ARMS.values()}


def test_the_cohort_is_none_on_which_defaults_were_chosen():
    cohort = method_comparison._cohort(method_comparison._parser().parse_args(["run", "--work", "folder"]))
    assert cohort.seed not in (Cohort.seed, 2)
    assert replace(cohort, seed=Cohort.seed, number=Cohort.number, name=Cohort.name) == Cohort()


def test_the_cohort_has_a_name_of_its_own(tmp_path):
    cohort = method_comparison._cohort(method_comparison._parser().parse_args(["run", "--work", "folder"]))
    assert study_data._cohort_arguments(tmp_path, cohort)[1].endswith("Dataset930_MethodComparison")
    assert study_data._cohort_arguments(tmp_path, Cohort())[1].endswith("Dataset910_FirstEvidence")


# --- time ------------------------------------------------------------------------------------------------------------


def repeats_of(tmp_path: Path, count: int) -> list[list[Trial]]:
    data = SimpleNamespace(work=tmp_path, fingerprint="a")
    return [[Trial(name, ARMS[name], r, Schedule(4, 2), data) for name in ("dropout", "nnunet")] for r in range(count)]


def keep(trial: Trial, seconds: float) -> None:
    trial.result_file.parent.mkdir(exist_ok=True)
    trial.result_file.write_text(json.dumps({"seconds_training": seconds, "seconds_scoring": 0.0}))


@pytest.fixture
def ran(monkeypatch):
    """Let each run take half an hour of a core: two at a time, so a repeat takes half an hour."""
    done: list[int] = []

    def run(trials):
        done.append(trials[0].repeat)
        for trial in trials:
            keep(trial, 1800.0)

    monkeypatch.setattr(method_comparison, "run_trials", run)
    return done


@pytest.mark.parametrize(("hours", "expected"), [(0.1, [0]), (0.99, [0]), (1.0, [0, 1]), (9.0, [0, 1, 2])])
def test_as_many_repeats_as_end_in_time(ran, tmp_path, hours, expected):
    method_comparison.run_repeats(repeats_of(tmp_path, 3), hours)
    assert ran == expected


def test_what_ran_before_counts_and_a_repeat_that_was_begun_is_ended(ran, tmp_path):
    repeats = repeats_of(tmp_path, 3)
    for trial in (*repeats[0], repeats[1][0]):
        keep(trial, 1800.0)
    method_comparison.run_repeats(repeats, 0.6)
    assert ran == [0, 1]  # run_trials itself passes over what is done


# --- the table -------------------------------------------------------------------------------------------------------


def result(arm: str, repeat: int, values: list[float]) -> dict:
    dice = {"T1": {"whole_tumor": dict(zip("ab", values, strict=True))}}
    return {"arm": arm, "trainer": COMPARED_ARMS[arm].trainer, "repeat": repeat, "dice": dice, "absent": {}}


def costs() -> dict:
    ratio = {"median": 2.5, "lowest": 2.0, "highest": 3.0}
    cost = {
        "parameters": 1_500_000, "training_only_parameters": 250_000, "flops": 3e9, "flops_one": 1e9, "step": ratio,
        "saved_ratio": 1.25, "tile": {**ratio, "median": 1.5}, "tile_one": {**ratio, "median": 0.5},
    }  # fmt: skip
    return {"patch": [32, 32, 28], "batch": 2, "threads": 2, "methods": {"nnUNetTrainerMSTKD": cost}}


def test_the_table_has_dice_and_costs_of_one_method_in_one_row():
    results = [result("dropout", 0, [0.5, 0.5]), result("dropout", 1, [0.5, 0.7])]
    results += [result("mstkd", 0, [0.5, 0.7]), result("mstkd", 1, [0.5, 0.9])]
    text = comparison_table(results, costs(), "dropout")
    # repeats 0.6 and 0.7, against 0.5 and 0.6: +0.1 in each; case a +0.0, case b +0.2
    row = "| mstkd | 2 | 65.0 ± 7.1 | 65.0 ± 7.1 | +10.0 ± 0.0 | 1/2 |"
    assert f"{row} 1.50 | 0.25 | 3.00 | 1.00 | 2.50 | 1.25 | 1.50 | 0.50 |" in text
    assert "| dropout | 2 | 55.0 ± 7.1 | 55.0 ± 7.1 |  |  |" + "  |" * 8 in text
    assert "patch 32x32x28, batch 2, 2 threads" in text
    columns = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(columns) == 1


def test_without_costs_there_is_the_dice():
    found = comparison([result("dropout", 0, [0.5, 0.5])], None, "dropout")["dropout"]
    assert found["costs"] is None
    assert found["dice"]["mean"]["mean"] == 0.5


def test_results_of_more_than_one_code_are_told():
    old, new, earlier = ({**result("dropout", r, [0.5, 0.5]), "code": code} for r, code in enumerate("aba"))
    assert method_comparison.mixed_code([old, earlier]) == ""
    assert "hash and runs: a 2, b 1" in method_comparison.mixed_code([old, new, earlier])


def test_a_report_of_nothing_says_so(tmp_path):
    assert method_comparison.report(repeats_of(tmp_path, 1), tmp_path, "dropout") == "No results yet."


# --- costs -----------------------------------------------------------------------------------------------------------


def test_every_parameter_beside_the_network_counts_once(method_counts):
    network, teacher, other = nn.Linear(2, 2), nn.Linear(3, 3), nn.Linear(4, 4)

    class Helper:
        __module__ = "nnunetv2_mstkd.trainers"

        def __init__(self):
            self.network, self.student = teacher, network

    adversary = Adversary(other, 1e-4, 1, None)
    trainer = SimpleNamespace(network=network, teacher=Helper(), again=teacher, adversaries={"term": adversary})
    assert method_counts.count(method_counts.training_only(trainer)) == (9 + 3) + (16 + 4)


def test_flops_are_those_of_the_convolution(method_counts):
    convolution = nn.Conv3d(2, 3, 3, padding=1, bias=False)
    assert method_counts.flops(convolution, torch.zeros(1, 2, 4, 4, 4, device="meta")) == 2 * 4**3 * 27 * 2 * 3


def test_ratios_are_of_pairs(method_costs, monkeypatch):
    clock = iter([*[0, 1] * 2 * method_costs.WARM_UP, 0, 2, 0, 6, 0, 4, 0, 4])
    monkeypatch.setattr(method_costs, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    seconds = method_costs.paired(lambda: None, lambda: None, rounds=2)
    assert seconds == {"stock": [2, 4], "method": [6, 4]}
    assert method_costs._ratio(seconds) == {"median": 2.0, "lowest": 1.0, "highest": 3.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED_ARMS)
def test_costs_of_every_method(name, method_costs, find_trainer):
    size = {"patch": (16, 16, 16), "batch_size": 1, "stages": 3}
    trainer = find_trainer(find_arm(name).trainer).__name__
    stock, method = (method_costs.make_trainer(n, **size) for n in ("nnUNetTrainer", trainer))
    found = method_costs.costs_of(method, stock, rounds=1)
    assert found["parameters"] == method_costs.count(method.network.parameters())
    assert (found["training_only_parameters"] > 0) == (name not in ("nnunet", "dropout"))
    own_encoders = name in ("ra_hved", "rmbts", "mmformer", "m2ftrans")
    assert (found["flops_one"] < found["flops"]) == own_encoders
    if name in ("nnunet", "dropout"):
        assert (found["parameters_ratio"], found["saved_ratio"]) == (1.0, pytest.approx(1.0, rel=0.02))
    assert min(found["step"].values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED_ARMS)
def test_every_method_sees_the_batches_of_nnunet(name, study, find_trainer, monkeypatch):
    """The paired differences rest on it, whatever else a method draws."""
    from trial import train

    seen: dict[str, list] = {}
    for arm in dict.fromkeys(("nnunet", name)):
        trainer_class, batches = find_trainer(find_arm(arm).trainer), seen.setdefault(arm, [])
        step = trainer_class.train_step

        def record(trainer, batch, step=step, batches=batches):
            batches.append((list(batch["keys"]), float(batch["data"].double().sum())))
            return step(trainer, batch)

        trial = Trial(arm, find_arm(arm), 0, Schedule(4, 2, 1), study)
        with monkeypatch.context() as patch:
            patch.setattr(trainer_class, "train_step", record)
            patch.setenv("nnUNet_results", str(trial.results_folder))
            train(trial)
    assert len(seen[name]) == 4
    assert seen[name] == seen["nnunet"]
