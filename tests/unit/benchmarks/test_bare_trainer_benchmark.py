"""benchmarks/bare_trainer: trainers of given plans have the settings of these plans."""

import pytest


@pytest.fixture
def made(benchmark, small_plan):
    bare_trainer = benchmark("bare_trainer")
    plans = {**small_plan.plans(bare_trainer.DATASET), "mstkd": {"weight_consistency": 3.0}}
    dataset_json = small_plan.dataset_json()

    def make(**options):
        return bare_trainer.make_trainer_of("nnUNetTrainerMSTKD", plans, dataset_json, "3d_fullres", **options)

    return make


def test_plans_keep_their_settings(made):
    assert made().settings.weight_consistency == 3.0


def test_other_settings_take_their_place(made):
    assert made(settings={"weight_logits": 0.5}).settings.weight_consistency == 2.0
