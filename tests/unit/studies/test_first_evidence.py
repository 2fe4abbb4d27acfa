"""studies/first_evidence: what is reused, what is counted, and one real run from training to Dice."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "studies"))  # scripts, no part of the package

import evidence_report
import evidence_statistics as stats
import trial as trial_module
from arms import ARMS, FURTHER_ARMS, Arm, find_arm
from scoring import Scores
from trial import Schedule, Trial, run_trial

from nnunetv2_mstkd.evaluation.reference import Reference
from nnunetv2_mstkd.modalities import Modalities


def result(arm: str, repeat: int, values: dict[str, list[float]], record: tuple = ()) -> dict:
    """A result with one region; values[subset] are the Dice of cases a, b, ..."""
    dice = {s: {"whole_tumor": dict(zip("abcdef", v, strict=False))} for s, v in values.items()}
    return {
        "arm": arm, "repeat": repeat, "dice": dice, "record": list(record), "settings": {}, "data": "d", "code": "c",
        "versions": {}, "schedule": {"iterations": 2}, "empty": {"reference": 0, "prediction": 1, "both": 0},
        "absent": {}, "seconds_training": 30.0, "seconds_scoring": 30.0, "seconds_cpu": 60.0,
    }  # fmt: skip


# statistics ----------------------------------------------------------------------------------------------------------


def test_spread_is_over_repeats_of_the_mean_over_subsets_and_cases():
    results = [result("dropout", 0, {"T1": [0.2, 0.4], "T2": [0.6, 0.8]}), result("dropout", 1, {"T1": [0.7, 0.7]})]
    spread = stats.arm_spread(results, "dropout")["whole_tumor"]
    # repeat means 0.5 and 0.7: mean 0.6, sd sqrt(2 * 0.1^2 / 1)
    assert (spread.mean, spread.sd, spread.count) == (pytest.approx(0.6), pytest.approx(0.02**0.5), 2)


def test_one_repeat_has_no_spread():
    assert np.isnan(stats.Spread.of([0.5]).sd)


def test_cases_without_the_region_can_be_left_out():
    found = {**result("dropout", 0, {"T1": [1.0, 0.4]}), "absent": {"whole_tumor": ["a"]}}
    assert stats.region_means(found)["mean"] == pytest.approx(0.7)
    assert stats.region_means(found, present_only=True)["mean"] == pytest.approx(0.4)


def test_pairs_are_of_one_repeat_and_of_shared_subsets():
    results = [
        result("dropout", 0, {"T1": [0.1], "T2": [0.9]}),
        result("dropout", 1, {"T1": [0.3], "T2": [0.9]}),
        result("dedicated_T1", 0, {"T1": [0.2]}),
        result("dedicated_T1", 1, {"T1": [0.5]}),
        result("dedicated_T1", 2, {"T1": [0.0]}),  # has no partner
    ]
    spread = stats.paired_by_repeat(results, "dedicated_T1", "dropout")["mean"]
    assert (spread.mean, spread.count) == (pytest.approx(0.15), 2)
    assert stats.paired_by_case(results, "dedicated_T1", "dropout") == [pytest.approx(0.15)]


def test_gradient_ratios_leave_out_the_ramp():
    rows = [
        {"ramp": ramp, "gradient_segmentation": 2.0, "gradient_logits": value}
        for ramp, value in ((0.5, 100.0), (1.0, 4.0), (1.0, 2.0), (1.0, 1.0))
    ]
    found = stats.gradient_ratios([result("mstkd", 0, {"T1": [1.0]}, rows)], "mstkd")
    assert found == {"logits": {"median": 1.0, "maximum": 2.0, "end_of_ramp": 2.0, "last": 0.5}}


def test_report_has_every_arm_and_writes_summary_and_figure(tmp_path):
    values = {"T1": [0.2, 0.4], "T2": [0.6, 0.8]}
    better = {subset: [v + 0.1 for v in cases] for subset, cases in values.items()}
    results = [result("dropout", r, values) for r in (0, 1)] + [result("mstkd", r, better) for r in (0, 1)]
    text = evidence_report.write_report([*results, result("dedicated_T1", 0, {"T1": [0.5, 0.5]})], tmp_path)
    assert "| mstkd | 2 | 60.0 ± 0.0 | 60.0 ± 0.0 | 60.0 ± 0.0 | +10.0 ± 0.0 | +10.0 ± 0.0 (2/2) | 30 |" in text
    assert "| T1 | 30.0 | 40.0 | 50.0 |" in text
    assert set(json.loads((tmp_path / "summary.json").read_text())) == {"dropout", "mstkd", "dedicated_T1"}
    assert (tmp_path / "subsets.png").stat().st_size > 0


def test_report_of_nothing_says_so(tmp_path):
    assert "No results" in evidence_report.write_report([], tmp_path)


# arms and keys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ARMS, *FURTHER_ARMS])
def test_every_arm_is_a_trainer_with_valid_settings(name, find_trainer):
    arm = find_arm(name)
    defaults = getattr(find_trainer(arm.trainer), "default_settings", None)
    if defaults is not None:
        replace(defaults, **arm.settings)  # raises SettingsError
    else:
        assert not arm.settings


def test_no_two_arms_are_the_same(find_trainer):
    """A setting that equals the default makes an arm that compares a trainer with itself."""
    seen: dict[tuple, str] = {}
    for name in (*ARMS, *FURTHER_ARMS):
        arm = find_arm(name)
        defaults = getattr(find_trainer(arm.trainer), "default_settings", None)
        # an ablation is a trainer of its own, but what it does is its settings
        what = str(arm.settings) if defaults is None else repr(replace(defaults, **arm.settings))
        same = seen.setdefault((what, arm.only_subset), name)
        assert same == name, f"{name} is {same}"


def test_unknown_arm_is_refused_with_the_list():
    with pytest.raises(KeyError, match="segmentation_only"):
        find_arm("nonsense")


def test_key_changes_with_all_that_a_result_depends_on(tmp_path):
    data = SimpleNamespace(work=tmp_path, fingerprint="a")
    base = Trial("dropout", ARMS["dropout"], 0, Schedule(40, 2), data)
    others = [
        replace(base, repeat=1),
        replace(base, schedule=Schedule(60, 2)),
        replace(base, data=SimpleNamespace(work=tmp_path, fingerprint="b")),
        replace(base, arm=Arm("nnUNetTrainerModalityDropout", {"fixed_subset": "T1"})),
    ]
    assert len({trial.key for trial in (base, *others)}) == 5
    assert base.key == Trial("renamed", ARMS["dropout"], 0, Schedule(40, 2), data).key


def test_a_finished_trial_is_not_repeated(tmp_path, monkeypatch):
    trial = Trial("nnunet", ARMS["nnunet"], 0, Schedule(40, 2), SimpleNamespace(work=tmp_path, fingerprint="a"))
    trial.result_file.parent.mkdir()
    trial.result_file.write_text('{"kept": 1}')
    monkeypatch.setattr(trial_module, "train", None)
    assert run_trial(trial) == {"kept": 1}


def test_iterations_fill_whole_epochs():
    with pytest.raises(ValueError, match="multiple"):
        Schedule(iterations=41, epochs=20)


# scoring -------------------------------------------------------------------------------------------------------------


def test_scores_count_empty_masks_and_name_cases_without_the_region():
    none, some = np.zeros((1, 1, 2), bool), np.ones((1, 1, 2), bool)
    scores = Scores({"T1": {"core": {}}})
    for case, masks in {"a": (none, none), "b": (none, some), "c": (some, none), "d": (some, some)}.items():
        scores.add("T1", case, "core", Reference(masks[0], (1, 1, 1)).compare(masks[1]))
    assert scores.dice == {"T1": {"core": {"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0}}}
    assert (scores.empty, scores.absent) == ({"both": 1, "reference": 1, "prediction": 1}, {"core": ["a", "b"]})


# one real run --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mstkd", "nnunet", "dedicated_T1+T2"])
def test_a_run_trains_scores_and_is_reproducible(name, study, find_trainer, monkeypatch):
    trial = Trial(name, find_arm(name), 0, Schedule(iterations=4, epochs=2, validation_iterations=1), study)
    first = run_trial(trial)
    subsets = (
        {"T1+T2"}
        if "dedicated" in name
        else {str(s) for s in Modalities.from_dataset_json(study.dataset_json).subsets()}
    )
    assert set(first["dice"]) == subsets
    assert set(first["dice"]["T1+T2"]["tumor_core"]) == set(study.test_cases)
    assert len(first["record"]) == (0 if name == "nnunet" else 2)
    assert json.loads(trial.result_file.read_text()) == first
    trial.result_file.unlink()
    assert run_trial(trial)["dice"] == first["dice"]


@pytest.mark.slow
def test_all_arms_of_a_repeat_see_the_same_batches(study, find_trainer, monkeypatch):
    """The paired differences rest on it, across networks of different sizes and trainers of different bases."""
    seen: dict[str, list] = {}
    for name in ("nnunet", "dropout", "mstkd"):
        trainer_class, batches = find_trainer(find_arm(name).trainer), seen.setdefault(name, [])
        step = trainer_class.train_step

        def record(trainer, batch, step=step, batches=batches):
            batches.append((list(batch["keys"]), float(batch["data"].double().sum())))
            return step(trainer, batch)

        with monkeypatch.context() as patch:
            patch.setattr(trainer_class, "train_step", record)
            run_trial(Trial(name, find_arm(name), 0, Schedule(4, 2, 1), study))
    assert len(seen["nnunet"]) == 4
    assert seen["nnunet"] == seen["dropout"] == seen["mstkd"]
