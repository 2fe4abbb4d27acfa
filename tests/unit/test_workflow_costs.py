"""The table that has what the methods give and what they cost in one row."""

import json

import pytest

from nnunetv2_mstkd.workflow import results_and_costs as module
from nnunetv2_mstkd.workflow.results_and_costs import COST_COLUMNS, cost_cells, main, results_and_costs

COST = {
    "parameters": 2_340_000,
    "training_only_parameters": 2_400_000,
    "flops": 1.5e9,
    "flops_one": 0.5e9,
    "step": {"median": 2.251, "lowest": 2.0, "highest": 2.5},
    "saved_ratio": 2.1,
    "tile": {"median": 1.02, "lowest": 1.0, "highest": 1.1},
    "tile_one": {"median": 1.01, "lowest": 1.0, "highest": 1.1},
}
CELLS = ["2.34", "2.40", "1.50", "0.50", "2.25", "2.10", "1.02", "1.01"]


def average(model, region, mean):
    return {"model": model, "region": region, "mean": mean, "sd_over_repeats": None, "repeats": 1}


@pytest.fixture
def summary():
    names = {"MST-KD": "nnUNetTrainerMSTKD_5epochs", "a|b": "nnUNetTrainer_5epochs"}
    return {
        "regions": [{"name": "whole tumour", "short": "WT", "labels": [1, 2]}],
        "models": [{"title": title, "trainer": trainer, "plans": "Small"} for title, trainer in names.items()],
        "metrics": {
            "dice": {
                "averages": [
                    average("MST-KD", "whole tumour", 0.813),
                    average("MST-KD", "all", 0.7),
                    average("a|b", "whole tumour", None),
                ]
            }
        },
    }


@pytest.fixture
def costs():
    return {"patch": [32, 32, 28], "batch": 2, "threads": 8, "methods": {"nnUNetTrainerMSTKD_5epochs": COST}}


def rows(text):
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]


def test_a_row_has_dice_and_costs_of_one_method(summary, costs):
    text = results_and_costs(summary, costs, "Small")
    head, line, first, _ = rows(text)
    assert head == ["method", "WT", "mean", *COST_COLUMNS]
    assert line == ["---"] * len(head)
    assert first == ["MST-KD", "81.3", "70.0", *CELLS]
    assert text.endswith("Costs: patch 32x32x28, batch 2, 8 threads of a CPU, float32.\n")


def test_what_is_not_known_is_empty_and_a_title_cannot_break_the_table(summary, costs):
    last = results_and_costs(summary, costs, "Small").splitlines()[-3]
    assert last == "| a\\|b |" + "  |" * (2 + len(COST_COLUMNS))


def test_models_of_other_plans_than_were_measured_have_no_costs(summary, costs):
    summary["models"][0]["plans"] = "Large"
    assert CELLS[0] not in results_and_costs(summary, costs, "Small")
    assert CELLS[0] in results_and_costs(summary, costs)


def test_rows_have_the_order_of_the_costs(summary, costs):
    costs["methods"] = {"nnUNetTrainer_5epochs": COST, **costs["methods"]}
    assert [row[0] for row in rows(results_and_costs(summary, costs))[2:]] == [r"a\|b", "MST-KD"]


def test_there_is_a_cell_for_each_column():
    assert cost_cells(COST) == CELLS
    assert len(cost_cells(None)) == len(CELLS) == len(COST_COLUMNS)


def test_the_command_writes_the_table(summary, costs, tmp_path):
    files = [tmp_path / name for name in ("summary.json", "costs.json", "comparison.md")]
    files[0].write_text(json.dumps(summary))
    files[1].write_text(json.dumps(costs))
    assert main([*map(str, files), "--plans", "Small"]) == 0
    assert files[2].read_text() == module.results_and_costs(summary, costs, "Small")
