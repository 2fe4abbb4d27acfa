"""studies/cheaper_teachers: the arms, who has to run first, and what the report says of the cost."""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[3] / "studies"))  # scripts, no part of the package

import cheaper_teachers
from arms import CHEAPER_ARMS, TEACHING_ARMS, find_arm
from trial import Schedule, Trial, count_seconds, train

ALL_OF_THEM = {"work": Path("work"), "repeats": 2, "iterations": 4, "epochs": 2, "cases": 3, "test_cases": 1}


@pytest.mark.parametrize("name", CHEAPER_ARMS)
def test_every_arm_has_valid_settings(name, find_trainer):
    arm = find_arm(name)
    defaults = getattr(find_trainer(arm.trainer), "default_settings", None)
    teacher = {"teacher_checkpoint": arm.frozen_teacher} if arm.frozen_teacher else {}
    if defaults is None:
        assert not arm.settings
    else:
        changed = replace(defaults, **arm.settings, **teacher)  # raises SettingsError
        assert (changed == defaults) == (name == "shared")


def trials(monkeypatch, arms):
    data = SimpleNamespace(work=Path("work"), fingerprint="a")
    monkeypatch.setattr(cheaper_teachers, "prepare", lambda work, cohort: data)
    return cheaper_teachers._trials(Namespace(arms=arms, spacing=4.0, **ALL_OF_THEM))


def test_models_that_teach_run_first(monkeypatch):
    ran = []
    monkeypatch.setattr(cheaper_teachers, "run_trials", lambda listed: ran.append({trial.name for trial in listed}))
    monkeypatch.setattr(cheaper_teachers, "_parser", lambda: SimpleNamespace(
        parse_args=lambda: Namespace(command="run", arms="frozen,ema,frozen_nnunet", spacing=4.0, **ALL_OF_THEM)
    ))  # fmt: skip
    trials(monkeypatch, "ema")
    cheaper_teachers.main()
    assert ran == [{"network", "nnunet"}, {"frozen", "ema", "frozen_nnunet"}]
    assert ran[0] == set(TEACHING_ARMS)


def test_a_frozen_teacher_is_of_the_same_repeat_and_part_of_the_key(monkeypatch):
    found = {(trial.name, trial.repeat): trial for trial in trials(monkeypatch, "frozen")}
    assert set(found) == {(name, repeat) for name in ("network", "frozen") for repeat in (0, 1)}
    for repeat in (0, 1):
        assert found["frozen", repeat].frozen_teacher == found["network", repeat]
    trial = found["frozen", 0]
    assert trial.settings["teacher_checkpoint"] == "network"
    assert replace(trial, arm=replace(trial.arm, frozen_teacher="nnunet")).key != trial.key


def test_steps_are_counted():
    trainer = SimpleNamespace(train_step=lambda batch: {"loss": batch})
    seconds = count_seconds(trainer)
    assert [trainer.train_step(i) for i in range(3)] == [{"loss": i} for i in range(3)]
    assert len(seconds) == 3


def test_the_cost_is_told_against_the_default(tmp_path):
    def result(arm, seconds, peak, dice):
        return {"arm": arm, "repeat": 0, "seconds_step": seconds, "peak_mb": peak,
                "dice": {"T1": {"whole_tumor": {"a": dice}}}, "absent": {}}  # fmt: skip

    results = [result("network", 0.5, 900, 0.75), result("shared", 0.25, 800, 0.5)]
    text = cheaper_teachers.cost_table(results, tmp_path)
    assert "| network | 1 | 0.500 | 2.00 | 900 | 75.0 ± nan |" in text
    assert "| shared | 1 | 0.250 | 1.00 | 800 | 50.0 ± nan |" in text
    assert json.loads((tmp_path / "cost.json").read_text())["shared"]["seconds_step"] == 0.25


@pytest.mark.slow
def test_a_frozen_teacher_of_the_study_teaches(study, find_trainer, monkeypatch):
    schedule = Schedule(iterations=2, epochs=1, validation_iterations=1)
    teacher, pupil = (Trial(name, find_arm(name), 0, schedule, study) for name in ("network", "frozen"))
    trainers = []
    for trial in (teacher, pupil):
        monkeypatch.setenv("nnUNet_results", str(trial.results_folder))
        trainers.append(train(trial))
    assert len(trainers[0].step_seconds) == 2
    weights = torch.load(teacher.checkpoint, weights_only=False)["network_weights"]
    different = [n for n, value in trainers[1].teacher.state_dict().items() if not torch.equal(value, weights[n])]
    assert not different
