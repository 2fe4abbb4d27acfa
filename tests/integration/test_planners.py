"""The planners for nnUNetTrainerMSTKD by name through the stock command, on a copy of nnU-Net that has the overlay."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from overlaid_nnunet import write_overlaid_nnunet

pytestmark = pytest.mark.slow

TIMEOUT_S = 900  # a command that hangs; other tests may have the cores


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> tuple[str, str]:
    """Paths of an nnunetv2 with the overlay, and of this package."""
    return write_overlaid_nnunet(tmp_path_factory.mktemp("site"))


@pytest.fixture
def dataset(make_dataset, tmp_path) -> SimpleNamespace:
    """A raw dataset with its fingerprint, in folders of its own."""
    made = make_dataset("regions")
    raw, preprocessed = tmp_path / "raw" / made.raw.name, tmp_path / "preprocessed" / made.raw.name
    shutil.copytree(made.raw, raw)
    preprocessed.mkdir(parents=True)
    shutil.copy(made.preprocessed / "dataset_fingerprint.json", preprocessed)
    return SimpleNamespace(number=str(made.number), raw=raw, preprocessed=preprocessed)


def plan_and_preprocess(site, dataset, *arguments: str) -> None:
    command = Path(sys.executable).with_name("nnUNetv2_plan_and_preprocess")
    done = subprocess.run(
        [sys.executable, str(command), "-d", dataset.number, "-c", "3d_fullres", "-np", "1", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(site),
            "nnUNet_raw": str(dataset.raw.parent),
            "nnUNet_preprocessed": str(dataset.preprocessed.parent),
            "nnUNet_n_proc_DA": "1",
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read_plans(dataset, name: str) -> dict:
    return json.loads((dataset.preprocessed / f"{name}.json").read_text())


def test_the_stock_command_plans_and_preprocesses_for_teacher_and_student(site, dataset):
    plan_and_preprocess(site, dataset, "-pl", "nnUNetPlannerMSTKD", "-fpe", "MSTKDFingerprintExtractor")
    plans = read_plans(dataset, "nnUNetPlansMSTKD")
    assert plans["experiment_planner_used"] == "nnUNetPlannerMSTKD"
    assert plans["configurations"]["3d_fullres"]["preprocessor_name"] == "DefaultPreprocessor"
    assert len(list((dataset.preprocessed / "nnUNetPlansMSTKD_3d_fullres").glob("*.b2nd"))) > 0


def test_the_stock_options_hold(site, dataset):
    options = ("-gpu_memory_target", "3", "-overwrite_plans_name", "nnUNetPlansOwn", "--no_pp")
    preprocessor = ("-preprocessor_name", "MSTKDPreprocessor")
    plan_and_preprocess(site, dataset, "-pl", "nnUNetPlannerMSTKDResEncM", *options, *preprocessor)
    plans = read_plans(dataset, "nnUNetPlansOwn")
    assert plans["experiment_planner_used"] == "nnUNetPlannerMSTKDResEncM"
    configuration = plans["configurations"]["3d_fullres"]
    assert configuration["preprocessor_name"] == "MSTKDPreprocessor"
    assert configuration["architecture"]["network_class_name"].endswith(".ResidualEncoderUNet")
    assert not (dataset.preprocessed / "nnUNetResEncUNetMPlansMSTKD.json").exists()


def test_the_planned_ratio_is_within_ten_percent_of_what_a_step_on_a_gpu_would_keep(checkout, tmp_path):
    script, report = checkout / "benchmarks" / "planned_memory.py", tmp_path / "ratios.json"
    command = [sys.executable, str(script), "--geometry", "small", "--json", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "nnUNet_n_proc_DA": "1"}
    subprocess.run(command, env=environment, check=True, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL)
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == 4  # two architectures, in 2D and 3D
    assert max(abs(row["difference (%)"]) for row in rows) < 10
