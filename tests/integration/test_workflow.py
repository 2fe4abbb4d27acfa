"""The Snakemake workflow with real jobs on local cores: plan of jobs, trainings, a kill, benchmark, report."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nnunetv2_mstkd.workflow.folder import write_workflow

pytest.importorskip("snakemake", reason="needs the extra workflow")
yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.slow

STOCK, OURS = "nnUNetTrainerQuick", "nnUNetTrainerMSTKDQuick"
PLANS = "nnUNetPlansTiny"
TIMEOUT_S = 900  # a command that hangs; other tests may have the cores


@dataclass(frozen=True)
class Workflow:
    """A folder in which snakemake runs."""

    folder: Path

    def start(self, *arguments: str, profile: str = "local") -> subprocess.Popen:
        command = [sys.executable, "-m", "snakemake", "--profile", f"profiles/{profile}", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False, profile: str = "local") -> str:
        process = self.start(*arguments, profile=profile)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        finally:
            kill(process)
        assert (process.returncode != 0) == fails, output
        return output

    def counts(self, *arguments: str) -> dict[str, int]:
        """The jobs that would be run, by rule."""
        output = self.run(*arguments, "--dry-run", "--quiet", "rules")  # which takes all that follows it
        table = re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)
        return {rule: int(count) for rule, count in table if rule not in ("all", "total")}

    def model(self, trainer: str, repeat: int = 0) -> Path:
        model = f"{trainer}__{PLANS}__3d_fullres"
        return self.folder / "results" / f"repeat_{repeat}" / "Dataset901_Regions" / model / "fold_0"

    def log(self, trainer: str) -> str:
        return (self.folder / "logs" / "train" / f"{trainer}__{PLANS}" / "repeat_0" / "fold_0.log").read_text()


def kill(process: subprocess.Popen) -> None:
    """Kill snakemake and its jobs, as `kill -9` and a power cut do."""
    try:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: start_new_session
    except ProcessLookupError:
        return
    process.wait()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition(), process.communicate()[0]


@pytest.fixture(scope="module")
def write(make_dataset, nnunet_folders, external_trainers, quick_trainers, tmp_path_factory) -> Callable[..., Workflow]:
    """Return a function that writes a workflow for the tiny cohort; its arguments go into config.yaml."""
    make_dataset("regions")
    found = os.pathsep.join([*external_trainers.values(), str(quick_trainers)])

    def make(**changes: Any) -> Workflow:
        folder = tmp_path_factory.mktemp("workflow")
        write_workflow(folder)
        content = {
            "dataset": "Dataset901_Regions",
            "configuration": "3d_fullres",
            "plans": [PLANS],
            "raw": str(nnunet_folders.nnUNet_raw),
            "preprocessed": str(nnunet_folders.nnUNet_preprocessed),
            "trainers": [f"nnU-Net={STOCK}", f"MST-KD={OURS}"],
            "folds": [0],
            "results": "results",
            "output": "benchmark",
            "device": "cpu",
            "environment": {"nnUNet_extTrainer": found},
            **changes,
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(content))
        return Workflow(folder)

    return make


# --- Which jobs ------------------------------------------------------------------------------------------------------


def test_there_is_a_job_for_each_unit(write):
    workflow = write(folds=[0, 1, 2], repeats=2, parts=3, plan=True)
    # 2 trainers x 3 folds x 2 repeats, 3 parts of each; the second repeat has a dataset of its own
    assert workflow.counts() == {"plan": 1, "splits": 1, "repeat": 1, "train": 12, "benchmark": 36, "report": 1}


def test_the_comparison_is_one_target_from_cohort_to_costs(write):
    workflow = write(cohort=True, plan=True, costs_script="method_costs.py")
    (workflow.folder / "method_costs.py").touch()
    jobs = {"cohort": 1, "plan": 1, "splits": 1, "train": 2, "benchmark": 2, "report": 1}
    assert workflow.counts("comparison") == {**jobs, "costs": 1, "results_and_costs": 1, "comparison": 1}
    assert write().counts("comparison") == {"splits": 1, "train": 2, "benchmark": 2, "report": 1, "comparison": 1}


def test_costs_ask_for_a_number_of_cores_and_are_measured_once(write):
    """On a cluster `workflow.cores` is all that the queue may use at once, which no node has."""
    workflow = write(costs_script="method_costs.py", output="/data/benchmark")
    (workflow.folder / "method_costs.py").touch()
    assert re.search(r"rule costs:.*?threads: 8\b", workflow.run("--dry-run", "--cores", "64", "comparison"), re.DOTALL)
    for name in (
        "costs.json",
        "summary.json",
        "summary.csv",
        "records.csv",
        "report.html",
    ):  # the report last: it was made again
        (workflow.folder / name).touch()
        os.utime(workflow.folder / name, (len(name), len(name)))
    assert "costs" not in workflow.counts("costs.json")
    jobs = workflow.counts("comparison.md")
    assert jobs["results_and_costs"] == 1
    assert "costs" not in jobs


def test_results_and_costs_are_joined_by_a_job(write):
    workflow = write(costs_script="method_costs.py")
    files = {
        "method_costs.py": "",
        "costs.json": '{"patch": [8, 8, 8], "batch": 2, "threads": 1, "methods": {}}',
        "summary.json": json.dumps(
            {
                "regions": [],
                "models": [{"title": "MST-KD", "trainer": OURS, "plans": PLANS}],
                "metrics": {"dice": {"averages": [{"model": "MST-KD", "region": "all", "mean": 0.5}]}},
            }
        ),
    }
    for name, text in files.items():
        (workflow.folder / name).write_text(text)
    workflow.run("--allowed-rules", "results_and_costs", "--", "comparison.md")
    assert "| MST-KD | 50.0 |" in (workflow.folder / "comparison.md").read_text()


def test_a_script_of_costs_that_is_not_there_is_refused_before_any_job(write):
    output = write(costs_script="nowhere/method_costs.py").run("--dry-run", fails=True)
    assert re.search(r"costs_script is no file: '.*nowhere/method_costs.py'", output)


def test_a_single_repeat_needs_no_dataset_of_its_own(write):
    assert write().counts() == {"splits": 1, "train": 2, "benchmark": 2, "report": 1}


def test_another_configuration_and_other_plans_are_planned(write):
    workflow = write(plan=True)
    planned = workflow.folder / "done" / "plan" / f"Dataset901_Regions__3d_fullres__{PLANS}"
    planned.parent.mkdir(parents=True)
    planned.touch()
    assert "plan" not in workflow.counts()
    for change in ("configuration=2d", f"plans=[{PLANS}, Other]", "dataset=Dataset902_Labels"):
        assert workflow.counts("--config", change)["plan"] == 1


def test_a_gpu_is_asked_for_where_one_is_used(write):
    on_cpu, on_gpu = (write(device=device).run("--dry-run") for device in ("cpu", "cuda"))
    assert "gpu=" not in on_cpu
    assert on_gpu.count("gpu=1") == 4  # two trainings, two parts of the benchmark


@pytest.mark.parametrize(
    ("profile", "of_plugins", "asked_for"),
    [
        ("slurm", "executor", {"slurm_account", "slurm_partition", "gpu=1", "mem_mb=64000", "runtime=2880"}),
        (
            "kubernetes",
            "executor|container-image|kubernetes-.*|default-storage-.*",
            {"gpu=1", "gpu_manufacturer", "scale=0"},
        ),
    ],
)
def test_a_profile_is_valid_but_for_the_options_of_its_plugins(write, profile, of_plugins, asked_for):
    workflow = write(device="cuda", trainers=[STOCK], results="/data/results", output="/data/benchmark")
    file = workflow.folder / "profiles" / profile / "config.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({k: v for k, v in content.items() if not re.fullmatch(of_plugins, k)}))
    train = workflow.run("--dry-run", profile=profile).split("rule train:")[1]
    # without the plugin a value of text is shown as <TBD>
    assert {text.removesuffix("=<TBD>") for text in re.search("resources: (.*)", train)[1].split(", ")} >= asked_for


def test_an_error_of_the_configuration_is_a_line(write):
    output = write(fold=[0]).run("--dry-run", fails=True)
    assert "config.yaml: unknown: 'fold'. Did you mean 'folds'?" in output
    assert "Traceback" not in output


# --- Real jobs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(write) -> Iterator[Workflow]:
    """Both trainings, the second one killed and continued, benchmark and report."""
    workflow = write()
    workflow.run(f"done/train/{STOCK}__{PLANS}/repeat_0/fold_0")
    running = workflow.start()
    ours = workflow.model(OURS)
    try:
        wait_for(lambda: (ours / "checkpoint_latest.pth").exists(), running)
        assert not (ours / "checkpoint_final.pth").exists(), "trained before it could be killed"
    finally:
        kill(running)
    workflow.run("--unlock")
    assert (ours / "checkpoint_latest.pth").exists()
    workflow.run()
    return workflow


def test_a_killed_training_continues(finished):
    assert "--c\n" in finished.log(OURS)
    assert "--c\n" not in finished.log(STOCK)  # the log of the one before the kill: it is not called again
    assert all((finished.model(trainer) / "checkpoint_final.pth").is_file() for trainer in (STOCK, OURS))


def test_the_report_is_in_the_folder(finished):
    assert "<html" in (finished.folder / "report.html").read_text().lower()
    for name in ("summary.json", "summary.csv", "records.csv"):  # which it links to
        assert (finished.folder / name).read_bytes() == (finished.folder / "benchmark" / "report" / name).read_bytes()


def test_both_models_are_in_the_records(finished):
    records = finished.folder / "benchmark" / "records"
    titles = {json.loads(file.read_text())["title"] for file in records.rglob("training.json")}
    assert titles == {"nnU-Net", "MST-KD"}


def test_a_second_call_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run()


def test_a_lost_marker_costs_no_training(finished):
    checkpoint = finished.model(STOCK) / "checkpoint_final.pth"
    before = checkpoint.stat().st_mtime_ns
    marker = f"done/train/{STOCK}__{PLANS}/repeat_0/fold_0"
    (finished.folder / marker).unlink()
    finished.run(marker)
    assert "trained already" in finished.log(STOCK)
    assert checkpoint.stat().st_mtime_ns == before


def test_other_options_are_refused_under_what_was_trained(finished):
    marker = f"done/train/{STOCK}__{PLANS}/repeat_0/fold_0"
    output = finished.run(marker, "--config", "train_options=[--npz]", fails=True)
    assert "fold_0 was trained by another command" in output
    assert (finished.model(STOCK) / "checkpoint_final.pth").is_file()
    finished.run(marker)  # the change is taken back


def test_a_failed_training_keeps_its_checkpoint(write):
    """Snakemake deletes the outputs of a job that failed."""
    workflow = write(trainers=[STOCK], train_options=["--no-such-option"])
    folder = workflow.model(STOCK)
    folder.mkdir(parents=True)
    (folder / "checkpoint_latest.pth").touch()
    output = workflow.run(fails=True)
    assert "--no-such-option" in output  # the log of the job is shown
    assert (folder / "checkpoint_latest.pth").exists()
