"""benchmarks/training_step, run on a tiny patch: its figures belong together; never how long a step takes."""

import json

import pytest

STOCK, MSTKD = "nnUNetTrainer", "nnUNetTrainerMSTKD"


@pytest.fixture
def training_step(benchmark):
    return benchmark("training_step")


def test_ratios_are_those_of_the_figures(training_step):
    rounds = {"stock": [2.0, 4.0], "mstkd": [5.0, 8.0], "branches": [4.0, 6.0]}
    memory = {
        STOCK: {"before": 100.0, "peak": 300.0, "saved": 50.0},
        MSTKD: {"before": 100.0, "peak": 600.0, "saved": 100.0},
    }
    found = training_step.summary(rounds, memory)
    assert found["step"] == {"median": 2.25, "lowest": 2.0, "highest": 2.5}
    # one fifth and one quarter of a step
    assert found["rest"] == pytest.approx({"median": 0.225, "lowest": 0.2, "highest": 0.25})
    assert (found["peak"], found["peak_of_networks"], found["saved"]) == (2.0, 2.5, 2.0)


@pytest.mark.slow
def test_a_run(training_step, run, tmp_path):
    report = tmp_path / "step.json"
    plan = ("--patch", "16x16x16", "--batch", "1", "--stages", "4")
    printed = run(training_step, *plan, "--rounds", "1", "--json", report)
    result = json.loads(report.read_text())
    assert [result[key] for key in ("patch", "batch", "stages", "settings")] == ["16x16x16", 1, 4, {}]
    assert {name: len(seconds) for name, seconds in result["seconds"].items()} == dict(stock=1, mstkd=1, branches=1)
    summary = training_step.summary(result["seconds"], result["memory"])
    assert {key: result[key] for key in summary} == summary
    assert 1.5 < result["saved"] < 3  # two networks and the transformer, which is not small beside four stages
    for memory in result["memory"].values():
        assert memory["before"] + memory["saved"] < memory["peak"]
    assert f"saved for backward: {result['saved']:.2f}" in printed
    assert printed.count("bar: ") == len(training_step.BARS)


@pytest.mark.slow
def test_settings_are_those_of_mst_kd_alone(training_step):
    options = ("--patch", "16x16x16", "--stages", "3", "--settings", '{"teacher": "ema"}')
    arguments = training_step._parser().parse_args(options)
    assert training_step._make(MSTKD, arguments).settings.teacher == "ema"
    assert not hasattr(training_step._make(STOCK, arguments), "settings")
