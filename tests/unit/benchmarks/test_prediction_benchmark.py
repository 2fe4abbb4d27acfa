"""benchmarks/prediction and prediction_parts: both commands really run, on a tiny model and a coarse patient."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

PARTS = 8  # of prediction_parts: imports, model, images, preprocessing, engine, network, labels, file


@pytest.fixture
def prediction(benchmark):
    return benchmark("prediction")


@pytest.fixture
def work(prediction, small_plan, tmp_path) -> Path:
    """A folder whose model and case are there already, so that none of full size is written."""
    pytest.importorskip("nilearn")  # the anatomy of the simulated patient
    plan = replace(small_plan, patch=(32, 32, 32), spacing_mm=6.0)
    prediction.write_model(tmp_path, plan)
    prediction.write_case(tmp_path, plan)
    return tmp_path


def test_ratios_are_within_a_pair(prediction):
    pairs = [
        {"stock": {"seconds": 60.0, "peak_mb": 100.0}, "ours": {"seconds": 20.0, "peak_mb": 40.0}},
        {"stock": {"seconds": 50.0, "peak_mb": 80.0}, "ours": {"seconds": 10.0, "peak_mb": 40.0}},
    ]
    assert prediction.ratios(pairs) == {"times_faster": [3.0, 5.0], "memory": [0.4, 0.5]}


def test_the_report(prediction, capsys):
    ratios = {"times_faster": [3.0, 5.0], "memory": [0.4, 0.5]}
    prediction.report({"engine": "torch-float32", "tta": False, "ratios": ratios})
    assert capsys.readouterr().out.splitlines() == [
        "times faster, torch-float32, without TTA: 4.00 (3.00 to 5.00)",
        "memory, torch-float32, without TTA: 0.45 (0.40 to 0.50)",
    ]


def test_what_failed_is_told(benchmark):
    with pytest.raises(SystemExit, match="false failed"):
        benchmark("process_tree").measured(["false"], {})


def test_memory_is_that_of_all_processes(benchmark):
    block = "b = bytearray(60 * 2**20); "
    child = f"import time; {block}time.sleep(1)"
    parent = f"import subprocess, sys; {block}subprocess.run([sys.executable, '-c', {child!r}])"
    found = benchmark("process_tree").measured([sys.executable, "-c", parent], {})
    assert 120 < found["peak_mb"] < 240
    assert found["seconds"] > 1


@pytest.mark.slow
def test_a_run(prediction, work, run):
    printed = run(prediction, work, "--no-tta", "--repeats", "1", "--engine", "torch-float32")
    record = json.loads((work / "prediction_torch-float32_no_tta.json").read_text())
    assert (record["engine"], record["tta"], len(record["pairs"])) == ("torch-float32", False, 1)
    assert record["ratios"] == prediction.ratios(record["pairs"])
    assert min(min(side.values()) for side in record["pairs"][0].values()) > 0
    assert f"times faster, torch-float32, without TTA: {record['ratios']['times_faster'][0]:.2f}" in printed
    stock, ours = (
        SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(work / side / "patient.nii.gz")))
        for side in ("stock", "ours")
    )
    assert len(np.unique(stock)) > 1
    assert (stock != ours).mean() < 1e-3  # random weights: some voxels are at a bound


@pytest.mark.slow
def test_a_run_in_parts(benchmark, work, run):
    report = work / "parts.json"
    printed = run(benchmark("prediction_parts"), work, "--no-tta", "--engine", "torch-float32", "--json", report)
    seconds = json.loads(report.read_text())
    assert len(seconds) == PARTS
    assert min(seconds.values()) >= 0
    shares = [float(line.split("|")[3].strip(" %")) for line in printed.splitlines()[2:]]
    assert sum(shares[:-1]) == pytest.approx(shares[-1], abs=PARTS / 2)  # each is rounded
    assert f"| sum | {sum(seconds.values()):.2f} | 100% |" in printed
