"""Dice from counts, by hand."""

import math

import numpy as np
import pytest

from nnunetv2_mstkd.trainers.full_modality_dice import mean_foreground_dice, prefixed_counts


def step(true_positive, false_positive, false_negative):
    counts = {"tp_hard": true_positive, "fp_hard": false_positive, "fn_hard": false_negative}
    return prefixed_counts("teacher_", {k: np.array(v) for k, v in counts.items()} | {"loss": 3.0})


def test_only_the_counts_travel():
    assert set(step([1], [2], [3])) == {"teacher_tp_hard", "teacher_fp_hard", "teacher_fn_hard"}


def test_counts_are_summed_over_the_epoch_before_the_ratio():
    steps = [step([1, 0], [1, 0], [0, 2]), step([3, 1], [0, 1], [2, 0])]
    # class 0: tp 4, fp 1, fn 2: 8 / 11; class 1: tp 1, fp 1, fn 2: 2 / 5
    assert mean_foreground_dice("teacher_", steps, world_size=1) == pytest.approx((8 / 11 + 2 / 5) / 2)


def test_a_class_that_nowhere_occurs_does_not_count():
    assert mean_foreground_dice("teacher_", [step([2, 0], [0, 0], [0, 0])], world_size=1) == 1.0


def test_without_any_class_there_is_no_dice():
    assert math.isnan(mean_foreground_dice("teacher_", [step([0], [0], [0])], world_size=1))
