"""benchmarks/engine_agreement: what it compares, by hand, and a run on a model of an epoch."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nnunetv2_mstkd.inference.engines.agreement import CLEAR_MARGIN, LEAST_DICE, MOST_VOXELS
from nnunetv2_mstkd.regions import Region


@pytest.fixture
def engine_agreement(benchmark):
    return benchmark("engine_agreement")


def test_dice_and_voxels_of_a_region(engine_agreement):
    reference, found = np.array([0, 1, 2, 2, 3]), np.array([0, 1, 2, 0, 2])
    both = engine_agreement.agreement(reference, found, Region("core", (2, 3)))
    assert both == {"region": "core", "dice": 2 * 2 / (3 + 2), "voxels": 1, "size": 3}
    neither = engine_agreement.agreement(reference, found, Region("other", (4,)))
    assert (neither["dice"], neither["voxels"], neither["size"]) == (1.0, 0, 0)


@pytest.mark.parametrize(
    ("dice", "voxels", "expected"),
    [
        (LEAST_DICE, MOST_VOXELS + 1, True),
        (0.0, MOST_VOXELS, True),  # a small region has a low Dice by few voxels
        (LEAST_DICE - 1e-4, MOST_VOXELS + 1, False),
    ],
)
def test_the_bar_is_that_of_auto(engine_agreement, dice, voxels, expected):
    assert engine_agreement.passes({"dice": dice, "voxels": voxels}) is expected


def test_labels_are_compared_by_their_margin_before_the_best_other_one(engine_agreement):
    logits = torch.tensor([[3.0, 0.0], [1.0, 4.0], [2.5, 1.0]])  # three labels, two voxels
    regions = (Region("first", (1,)), Region("second", (2,)))
    found = engine_agreement.region_logits(logits, regions, has_regions=False)
    assert found.tolist() == [[1.0 - 3.0, 4.0 - 1.0], [2.5 - 3.0, 1.0 - 4.0]]
    assert torch.equal(engine_agreement.region_logits(logits, regions, has_regions=True), logits)


def test_the_error_is_of_the_voxels_near_the_bound(engine_agreement):
    expected = torch.tensor([0.5, -0.5, CLEAR_MARGIN, -9.0])
    given = torch.tensor([0.8, -0.1, 5.0, 5.0])
    found = engine_agreement.error(expected, given)
    assert found["logit_error"] == pytest.approx(((0.3**2 + 0.4**2) / 2) ** 0.5)
    assert found["near_bound"] == 2
    assert engine_agreement.error(expected[2:], given[2:]) == {"logit_error": 0.0, "near_bound": 0}


def test_the_table_has_the_worst_case_and_the_error_of_all_voxels(engine_agreement):
    of_region = {"engine": "fast", "region": "core"}
    rows = [
        {**of_region, "dice": 1.0, "voxels": 0, "logit_error": 0.0, "near_bound": 3},
        {**of_region, "dice": 0.9, "voxels": 40, "logit_error": 0.2, "near_bound": 1},
        {**of_region, "engine": "slow", "dice": 1.0, "voxels": 0, "logit_error": 0.0, "near_bound": 0},
    ]
    assert list(engine_agreement.summary(rows)) == [
        "| fast | core | 0.90000 | 40 | 0.1 | 2 | 1 of 2 |",  # sqrt(0.2^2 / 4)
        "| slow | core | 1.00000 | 0 | 0 | 1 | 1 of 1 |",
    ]


def test_what_changes_sides_is_found_in_both_comparisons(engine_agreement, monkeypatch):
    """Logits of two regions in four voxels; the label map has what is above 0."""
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    model = SimpleNamespace(dataset_json={"labels": labels}, labels=SimpleNamespace(has_regions=True))
    monkeypatch.setattr(engine_agreement, "labels", lambda predictor, prepared, logits: (logits > 0).sum(dim=0).numpy())
    reference = torch.tensor([[2.0, 2.0, 0.1, -2.0], [2.0, -2.0, -2.0, -2.0]])
    found = reference.clone()
    found[0, 2] = -0.1
    whole, core = engine_agreement.compare_logits(SimpleNamespace(model=model), None, reference, found)
    assert (whole["region"], whole["voxels"], whole["dice"]) == ("whole", 1, 2 * 2 / (3 + 2))
    assert (whole["logit_error"], whole["near_bound"]) == (pytest.approx(0.2), 1)
    assert (core["voxels"], core["logit_error"], core["near_bound"]) == (0, 0.0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["regions", "labels"])
def test_a_run(variant, engine_agreement, trained_model, make_dataset, run, tmp_path):
    model, dataset, report = trained_model(variant=variant), make_dataset(variant), tmp_path / "agreement.json"
    options = ("--engines", "torch-float32", "--subsets", "T1,FLAIR", "T1ce", "--cases", "1", "--json", report)
    printed = run(engine_agreement, model, dataset.raw / "imagesTs", *options)
    rows = json.loads(report.read_text())
    regions = [name for name, label in dataset.dataset_json["labels"].items() if label != 0]
    assert [(row["subset"], row["region"]) for row in rows] == [
        (subset, region) for subset in ("T1+FLAIR", "T1ce") for region in regions
    ]
    for row in rows:  # it is the reference itself, but for the order of sums
        assert row["dice"] >= LEAST_DICE or row["voxels"] <= MOST_VOXELS
        assert row["logit_error"] < 0.01
    assert max(row["near_bound"] for row in rows) > 0  # an epoch leaves nothing clear
    table = [line for line in printed.splitlines() if line.startswith("| torch-float32")]
    assert [line.split(" | ")[1:] for line in table] == [
        [region, *line.split(" | ")[2:-1], "2 of 2 |"] for region, line in zip(regions, table, strict=True)
    ]
