"""What models are called in a benchmark."""

import pytest

from nnunetv2_mstkd.benchmark.title import Nameable, default_title, parse_titled, titles_of


@pytest.mark.parametrize(
    ("trainer", "title"),
    [
        ("nnUNetTrainer", "nnU-Net"),
        ("nnUNetTrainer_5epochs", "nnU-Net_5epochs"),
        ("nnUNetTrainerMSTKD", "MSTKD"),
        ("nnUNetTrainerMSTKD_5epochs", "MSTKD_5epochs"),
        ("nnUNetTrainerModalityDropout", "ModalityDropout"),
        ("MyTrainer", "MyTrainer"),
        ("_Mine", "_Mine"),
    ],
)
def test_the_default_is_the_trainer_without_nnunets_prefix(trainer, title):
    assert default_title(trainer) == title


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("nnUNetTrainer", (None, "nnUNetTrainer")),
        ("Ours=nnUNetTrainerMSTKD", ("Ours", "nnUNetTrainerMSTKD")),
        ("Ours, step=1=results/model", ("Ours, step", "1=results/model")),
        ("results/lr=1/model", (None, "results/lr=1/model")),
        ("Ours=/results/lr=1/model", ("Ours", "/results/lr=1/model")),
        ("=model", (None, "model")),
    ],
)
def test_a_title_stands_before_the_first_equals_sign(text, parsed):
    assert parse_titled(text) == parsed


def model(given=None, trainer="nnUNetTrainerMSTKD", plans="nnUNetPlans", configuration="3d_fullres", needs=None):
    return Nameable(given, trainer, plans, configuration, needs)


def test_titles_that_clash_get_plans_and_configuration():
    models = [model(), model(plans="Large"), model(trainer="nnUNetTrainer")]
    assert titles_of(models) == ["MSTKD (nnUNetPlans, 3d_fullres)", "MSTKD (Large, 3d_fullres)", "nnU-Net"]


def test_titles_of_the_users_can_clash_too():
    assert titles_of([model("A"), model("A", configuration="2d")]) == [
        "A (nnUNetPlans, 3d_fullres)",
        "A (nnUNetPlans, 2d)",
    ]


def test_models_of_different_subsets_share_a_title():
    assert titles_of([model("Dedicated", plans="T1", needs="T1"), model("Dedicated", plans="T2", needs="T2")]) == [
        "Dedicated",
        "Dedicated",
    ]


def test_trainings_of_one_model_share_a_title():
    assert titles_of([model(), model()]) == ["MSTKD", "MSTKD"]
