"""The workflow without its engine: configuration, commands, and what the jobs do by themselves."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunetv2_mstkd.cli import cohort as cohort_cli
from nnunetv2_mstkd.cli import workflow as cli
from nnunetv2_mstkd.errors import SettingsError
from nnunetv2_mstkd.trainers import TRAINERS
from nnunetv2_mstkd.workflow import child, commands, planning, repeat, training
from nnunetv2_mstkd.workflow import folder as workflow_folder
from nnunetv2_mstkd.workflow.configuration import read_configuration
from nnunetv2_mstkd.workflow.folder import COMPARISONS, write_workflow

CONTENT = {
    "dataset": "Dataset901_Regions",
    "configuration": "3d_fullres",
    "trainers": ["nnU-Net=nnUNetTrainer", "nnUNetTrainerMSTKD"],
    "results": "results",
    "output": "benchmark",
    "raw": "/data/raw",
    "preprocessed": "/data/preprocessed",
}


@pytest.fixture(autouse=True)
def _no_augmentation_variable(monkeypatch):
    monkeypatch.delenv("nnUNet_n_proc_DA")  # the tests' own


def config(**changes):
    return read_configuration({**CONTENT, **changes}, {}, Path("/data"))


# --- Configuration ---------------------------------------------------------------------------------------------------


def test_relative_folders_start_from_the_workflow():
    assert config().results == Path("/data/results")
    assert config(results="/elsewhere").results == Path("/elsewhere")


def test_without_a_common_folder_paths_are_absolute():
    absolute = {**CONTENT, "results": "/data/results", "output": "/data/benchmark"}
    assert read_configuration(absolute, {}, None).output == Path("/data/benchmark")
    with pytest.raises(SettingsError, match=r"output: must be an absolute path, .* given: benchmark"):
        read_configuration({**absolute, "output": "benchmark"}, {}, None)


def test_nnunets_variables_stand_in_for_its_folders():
    content = {**CONTENT, "raw": None, "preprocessed": None}
    found = read_configuration(content, {"nnUNet_raw": "/r", "nnUNet_preprocessed": "/p"}, Path("/data"))
    assert (found.raw, found.preprocessed) == (Path("/r"), Path("/p"))


def test_what_is_null_has_its_default():
    assert config(plans=None).plans == ("nnUNetPlans",)
    assert config(folds=None).folds == ("0", "1", "2", "3", "4")


def test_the_example_is_complete_and_valid(tmp_path):
    yaml = pytest.importorskip("yaml")
    write_workflow(tmp_path)
    content = yaml.safe_load((tmp_path / "config.yaml").read_text())
    example = read_configuration(content, {"nnUNet_raw": "/r", "nnUNet_preprocessed": "/p"}, tmp_path)
    assert set(content) == set(vars(example))  # each key is explained
    assert example.trainer_names == ("nnUNetTrainer", "nnUNetTrainerModalityDropout", "nnUNetTrainerMSTKD")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainer": ["nnUNetTrainer"]}, "unknown: 'trainer'. Did you mean 'trainers'?"),
        ({"dataset": None}, "missing: dataset"),
        ({"raw": None}, r"missing: raw \(or set nnUNet_raw\)"),
        ({"trainers": []}, "trainers: the list is empty"),
        ({"folds": []}, "folds: the list is empty"),
        ({"plans": "nnUNetPlans"}, r"plans: must be a list, such as \[nnUNetPlans\]"),
        ({"dataset": 901}, "whole name, such as Dataset137_Glioma; given: 901"),
        ({"folds": [0, "all"]}, "folds: numbers from 0 on; given: all"),
        ({"folds": [0, 0]}, "folds: 0 is there twice"),
        ({"folds": [True]}, "folds: must be text; given: True"),
        ({"trainers": ["A=nnUNetTrainer", "B=nnUNetTrainer"]}, "nnUNetTrainer is there twice"),
        ({"trainers": ["T1/T2=nnUNetTrainer"]}, "TITLE=TRAINER without any /"),
        ({"trainers": ["nnUNet Trainer"]}, "letters, digits and _ only; given: 'nnUNet Trainer'"),
        ({"repeats": 0}, "repeats: must be a whole number from 1 on; given: 0"),
        ({"parts": 1.5}, "parts: must be a whole number"),
        ({"cohort": True}, "cohort: true needs plan: true"),
        ({"plan": "yes"}, "plan: must be true or false; given: 'yes'"),
        ({"device": "gpu"}, "device: must be one of cuda, cpu, mps; given: gpu"),
        ({"environment": ["A=1"]}, "environment: must be NAME: value"),
    ],
)
def test_a_wrong_configuration_says_what_to_do(changes, said):
    with pytest.raises(SettingsError, match=said):
        config(**changes)


def test_a_schedule_that_nnunets_own_trainer_does_not_have_is_refused_before_any_job():
    for there in ("nnUNetTrainer", "nnUNetTrainer_1epoch", "nnUNetTrainer_250epochs", "nnUNetTrainerMSTKD_300epochs"):
        config(trainers=[there])
    with pytest.raises(SettingsError, match=r"nnU-Net has no nnUNetTrainer_300epochs\. It has 1, 5, 10"):
        config(trainers=["nnUNetTrainer_300epochs", "nnUNetTrainerMSTKD_300epochs"])
    config(trainers=["nnUNetTrainer_300epochs"], environment={"nnUNet_extTrainer": "/own"})  # it may be there


# --- Commands --------------------------------------------------------------------------------------------------------


def variables(command: list[str]) -> dict[str, str]:
    assert command[0] == "env"
    pairs = [argument.split("=", 1) for argument in command[1:]]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0].isidentifier()}


def options(command: list[str]) -> list[str]:
    return command[len(variables(command)) + 1 :]


def test_a_training_goes_into_the_results_of_its_repeat():
    command = commands.train(config(repeats=2), "nnUNetTrainerMSTKD", "nnUNetPlans", 1, "3", 8)
    assert variables(command)["nnUNet_results"] == "/data/results/repeat_1"
    assert variables(command)["nnUNet_preprocessed"] == "/data/results/repeat_1/preprocessed"
    assert options(command) == [
        *("python3", "-m", "nnunetv2_mstkd.workflow.training"),
        "/data/results/repeat_1/Dataset901_Regions/nnUNetTrainerMSTKD__nnUNetPlans__3d_fullres/fold_3",
        *("--", "nnUNetv2_train", "Dataset901_Regions", "3d_fullres", "3", "-tr", "nnUNetTrainerMSTKD"),
        *("-p", "nnUNetPlans", "-device", "cuda"),
    ]


def test_the_first_repeat_uses_the_dataset_itself():
    command = commands.train(config(), "nnUNetTrainer", "nnUNetPlans", 0, "0", 8)
    assert variables(command)["nnUNet_preprocessed"] == "/data/preprocessed"


@pytest.mark.parametrize(
    ("changes", "processes"),
    [
        ({}, "16"),  # those of the job, not nnU-Net's 12
        ({"environment": {"nnUNet_n_proc_DA": 4}}, "4"),  # the user's word
        ({"device": "cpu"}, None),  # there the network needs the cores
    ],
)
def test_augmentation_gets_the_cores_of_the_job(changes, processes):
    command = commands.train(config(**changes), "nnUNetTrainer", "nnUNetPlans", 0, "0", 16)
    assert variables(command).get("nnUNet_n_proc_DA") == processes


def test_planning_has_an_augmentation_process_where_training_has_none():
    command = commands.plan(config(environment={"nnUNet_n_proc_DA": "0"}, plan_options=["-pl", "nnUNetPlannerTiny"]))
    assert variables(command)["nnUNet_n_proc_DA"] == "1"
    assert options(command) == [
        *("python3", "-m", "nnunetv2_mstkd.workflow.planning"),
        *("/data/preprocessed/Dataset901_Regions/mstkd_planned.json", "3d_fullres of nnUNetPlans", "--"),
        *("nnUNetv2_plan_and_preprocess", "-d", "901", "-c", "3d_fullres", "-pl", "nnUNetPlannerTiny"),
    ]


def test_the_splits_are_those_of_the_dataset_itself():
    assert options(commands.splits(config(plans=["A", "B"]))) == [
        *("python3", "-m", "nnunetv2_mstkd.planning.splits"),
        *("/data/preprocessed/Dataset901_Regions", "3d_fullres", "A", "B"),
    ]


def test_each_job_of_the_benchmark_is_a_part_of_the_same_call():
    several = config(repeats=2, folds=[0, 1, 2], plans=["A", "B"], parts=2, subsets=["T1ce+FLAIR"])
    assert commands.num_parts(several) == 48  # 2 trainers, 2 plans, 3 folds, 2 repeats, 2 parts of each
    command = options(commands.benchmark(several, 7))
    assert command[: command.index("--part")] == [
        *("mstkd", "benchmark", "-o", "/data/benchmark", "-d", "Dataset901_Regions", "-c", "3d_fullres"),
        *("-tr", "nnU-Net=nnUNetTrainer", "nnUNetTrainerMSTKD", "-p", "A", "B", "-f", "0", "1", "2"),
        *("--results", "/data/results/repeat_0", "/data/results/repeat_1"),
        *("-device", "cuda", "--subsets", "T1ce+FLAIR"),
    ]
    assert command[command.index("--part") :] == ["--part", "7", "--parts", "48", "--no-report"]


def test_further_options_are_passed_on():
    own = config(train_options=["--npz"], benchmark_options=["--disable_tta"], report_options=["--baseline", "nnU-Net"])
    assert commands.train(own, "nnUNetTrainer", "nnUNetPlans", 0, "0", 8)[-1] == "--npz"
    assert commands.benchmark(own, 0)[-1] == "--disable_tta"
    assert options(commands.report(own)) == ["mstkd", "report", "/data/benchmark", "--baseline", "nnU-Net"]


# --- Training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "run", "left"),
    [
        ([], ["train"], ["mstkd_command.txt"]),
        (["checkpoint_latest.pth"], ["train", "--c"], ["checkpoint_latest.pth"]),
        (["checkpoint_best.pth"], ["train"], ["checkpoint_best.pth", "mstkd_command.txt"]),  # of the student: no start
        (["checkpoint_final.pth", "checkpoint_best.pth"], None, ["checkpoint_best.pth", "checkpoint_final.pth"]),
        (  # killed while the final one was written
            ["checkpoint_final.pth", "checkpoint_latest.pth"],
            ["train", "--c"],
            ["checkpoint_latest.pth", "previous_checkpoint_final.pth"],
        ),
    ],
)
def test_the_folder_says_whether_to_train_or_to_continue(tmp_path, files, run, left):
    for name in files:
        (tmp_path / name).touch()
    assert training.command_to_run(tmp_path, ["train"]) == run
    assert sorted(file.name for file in tmp_path.iterdir()) == left


def test_a_finished_training_is_not_called_again(tmp_path, capsys):
    (tmp_path / "checkpoint_final.pth").touch()
    assert training.main([str(tmp_path), "--", "no_such_command", "-tr", "nnUNetTrainer"]) == 0
    assert "trained already" in capsys.readouterr().out


@pytest.mark.parametrize("checkpoint", ["checkpoint_final.pth", "checkpoint_latest.pth"])
def test_a_training_with_other_options_is_refused(tmp_path, capsys, checkpoint):
    fold = tmp_path / "model" / "fold_0"  # made by the first call
    training.command_to_run(fold, ["train", "-device", "cuda"])
    (fold / checkpoint).touch()
    assert training.main([str(fold), "--", "train", "-pretrained_weights", "a file"]) == 1
    said = capsys.readouterr().err
    assert "before: train\n" in said
    assert "now:    train -pretrained_weights 'a file'\n" in said
    assert "delete the folder to train it anew" in said
    assert (fold / checkpoint).exists()


def test_a_training_may_go_on_on_another_device(tmp_path):
    training.command_to_run(tmp_path, ["train", "-device", "cuda", "--npz"])
    (tmp_path / "checkpoint_latest.pth").touch()
    assert training.command_to_run(tmp_path, ["train", "-device", "cpu", "--npz"])[-1] == "--c"


def test_what_has_not_come_to_a_checkpoint_binds_nobody(tmp_path):
    training.command_to_run(tmp_path, ["train"])
    assert training.command_to_run(tmp_path, ["train", "--npz"]) == ["train", "--npz"]
    assert (tmp_path / "mstkd_command.txt").read_text() == "train --npz\n"


def test_the_exit_code_is_that_of_the_training(tmp_path):
    (tmp_path / "checkpoint_latest.pth").touch()
    code = "import sys; raise SystemExit(3 if sys.argv[-1] == '--c' else 4)"
    assert training.main([str(tmp_path), "--", sys.executable, "-S", "-c", code]) == 3


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_request_to_stop_reaches_the_training(tmp_path):
    """A scheduler may know the number of the first process alone."""
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    script = f"trap 'touch {stopped}; exit 5' TERM; touch {started}; while true; do sleep 0.01; done"
    job = subprocess.Popen(
        [sys.executable, "-m", "nnunetv2_mstkd.workflow.training", str(tmp_path / "fold_0"), "--", "sh", "-c", script]
    )
    try:
        deadline = time.monotonic() + 20
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        job.send_signal(signal.SIGTERM)
        assert job.wait(20) == 5
    finally:
        job.kill()
    assert stopped.exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_command_ends_as_in_a_shell():
    assert child.run(["sh", "-c", "kill -9 $$"]) == 137  # 128 + SIGKILL


# --- Planning --------------------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path):
    """Return a function that plans, and the file to which each run of the command adds a line."""
    runs = tmp_path / "runs"

    def call(plans: str, *arguments: str, code: int = 0) -> int:
        command = ["sh", "-c", f'echo "$@" >> {runs}; exit {code}', "sh", *arguments]
        return planning.main([str(tmp_path / "mstkd_planned.json"), plans, "--", *command])

    return call, runs


def test_a_dataset_is_planned_once(plan, capfd):
    call, runs = plan
    assert [call("3d_fullres of A", "-pl", "Tiny") for _ in range(2)] == [0, 0]
    assert runs.read_text() == "-pl Tiny\n"
    assert "planned already; to plan anew delete" in capfd.readouterr().out


def test_another_configuration_is_planned(plan):
    call, runs = plan
    call("3d_fullres of A", "-c", "3d_fullres")
    call("2d of A", "-c", "2d")
    assert runs.read_text() == "-c 3d_fullres\n-c 2d\n"


def test_a_command_that_was_run_makes_no_further_plans(plan):
    """It would replace the plans that it made, with all that was changed in them."""
    call, runs = plan
    call("3d_fullres of A", "-pl", "Tiny")
    call("3d_fullres of A, B", "-pl", "Tiny")
    assert runs.read_text() == "-pl Tiny\n"


def test_planning_with_other_options_is_refused(plan, capfd):
    call, runs = plan
    call("3d_fullres of A", "-gpu_memory_target", "8")
    assert call("3d_fullres of A", "-gpu_memory_target", "24") == 1
    assert runs.read_text() == "-gpu_memory_target 8\n"
    said = capfd.readouterr().err
    assert "3d_fullres of A was planned by another command" in said
    assert "mstkd_planned.json" in said


def test_planning_that_failed_is_repeated(plan):
    call, runs = plan
    assert call("3d_fullres of A", "x", code=7) == 7
    assert call("3d_fullres of A", "x", code=7) == 7
    assert runs.read_text() == "x\nx\n"


# --- Repeats ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def preprocessed(tmp_path):
    folder = tmp_path / "preprocessed"
    (folder / "nnUNetPlans_3d_fullres").mkdir(parents=True)
    (folder / "splits_final.json").write_text("[]")
    (folder / "nnUNetPlans.json").write_text(json.dumps({"plans_name": "nnUNetPlans"}))
    (folder / "Other.json").write_text(json.dumps({"plans_name": "Other", "mstkd": {"seed": 5, "preset": "paper"}}))
    return folder


def test_a_repeat_differs_in_the_seed_alone(preprocessed, tmp_path):
    target = tmp_path / "results" / "repeat_2" / "preprocessed" / "Dataset901_Regions"
    arguments = [str(preprocessed), str(target), "--seed-offset", "2", "--plans", "nnUNetPlans", "Other"]
    assert repeat.main(arguments) == 0
    assert json.loads((target / "nnUNetPlans.json").read_text()) == {"plans_name": "nnUNetPlans", "mstkd": {"seed": 2}}
    assert json.loads((target / "Other.json").read_text())["mstkd"] == {"seed": 7, "preset": "paper"}
    links = {entry.name: entry.resolve() for entry in target.iterdir() if entry.is_symlink()}
    assert links == {name: preprocessed / name for name in ("nnUNetPlans_3d_fullres", "splits_final.json")}
    assert json.loads((preprocessed / "nnUNetPlans.json").read_text()) == {"plans_name": "nnUNetPlans"}  # untouched


def test_making_a_repeat_again_takes_over_what_changed(preprocessed, tmp_path):
    target = tmp_path / "repeat"
    repeat.make_repeat(preprocessed, target, 1, ["nnUNetPlans"])
    (preprocessed / "new_data").mkdir()
    (preprocessed / "nnUNetPlans.json").write_text(json.dumps({"plans_name": "nnUNetPlans", "mstkd": {"seed": 10}}))
    repeat.make_repeat(preprocessed, target, 1, ["nnUNetPlans"])
    assert json.loads((target / "nnUNetPlans.json").read_text())["mstkd"] == {"seed": 11}
    assert (target / "new_data").resolve() == preprocessed / "new_data"


def test_splits_that_come_later_are_shared(preprocessed, tmp_path):
    """Nnu-Net looks whether there are any, and writes those that it makes by this name."""
    (preprocessed / "splits_final.json").unlink()
    repeat.make_repeat(preprocessed, tmp_path / "repeat", 1, ["nnUNetPlans"])
    assert not (tmp_path / "repeat" / "splits_final.json").is_file()
    (tmp_path / "repeat" / "splits_final.json").write_text("[1]")
    assert (preprocessed / "splits_final.json").read_text() == "[1]"


def test_a_repeat_of_plans_that_are_not_there_says_so(preprocessed, tmp_path, capsys):
    arguments = [str(preprocessed), str(tmp_path / "repeat"), "--seed-offset", "1", "--plans", "Missing"]
    assert repeat.main(arguments) == 1
    assert "has no Missing.json; plan the dataset" in capsys.readouterr().err
    assert not (tmp_path / "repeat").exists()


# --- The folder ------------------------------------------------------------------------------------------------------


METHODS = ("MSTKD", "ACN", "SMUNet", "RAHVED", "RMBTS", "MMFormer", "M2FTrans")


def run_command(folder: Path, *options: str) -> int:
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    return cli.run(parser.parse_args([str(folder), *options]))


def test_the_command_writes_a_folder_and_says_what_comes_next(tmp_path, capsys):
    folder = tmp_path / "my workflow"
    assert run_command(folder) == 0
    written = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    profiles = {f"profiles/{name}/config.yaml" for name in ("local", "slurm", "kubernetes")}
    assert written == {"Snakefile", "config.yaml", *profiles}
    said = capsys.readouterr().out
    assert f"cd '{folder}'" in said
    assert "snakemake --profile profiles/local" in said


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_comparison_names_nine_trainers_of_one_schedule(name, tmp_path, capsys):
    yaml = pytest.importorskip("yaml")
    assert run_command(tmp_path, "--comparison", name) == 0
    assert "snakemake --profile profiles/local comparison" in capsys.readouterr().out
    content = yaml.safe_load((tmp_path / "config.yaml").read_text())
    found = read_configuration(content, {"nnUNet_raw": "/r", "nnUNet_preprocessed": "/p"}, tmp_path)
    schedules = {trainer.rpartition("_")[2] if "_" in trainer else "" for trainer in found.trainer_names}
    assert len(schedules) == 1
    suffix = f"_{schedules.pop()}" if "epochs" in found.trainer_names[0] else ""
    ours = {f"nnUNetTrainer{method}{suffix}" for method in ("ModalityDropout", *METHODS)}
    assert set(found.trainer_names) == {f"nnUNetTrainer{suffix}"} | ours
    assert set(METHODS) <= {trainer.removeprefix("nnUNetTrainer") for trainer in TRAINERS}


def test_the_demonstration_makes_its_cohort_in_its_own_folder(tmp_path):
    yaml = pytest.importorskip("yaml")
    write_workflow(tmp_path, COMPARISONS["demonstration"])
    found = read_configuration(yaml.safe_load((tmp_path / "config.yaml").read_text()), {}, tmp_path)
    command = commands.cohort(found)
    assert options(command)[:3] == ["mstkd", "cohort", str(tmp_path / "nnUNet_raw" / found.dataset)]
    parser = argparse.ArgumentParser()
    cohort_cli.configure(parser)
    assert parser.parse_args(options(command)[2:]).cases == 40


def test_the_demonstration_is_scored_by_one_engine(tmp_path):
    """With auto a method that needs float32 would be compared with others in bfloat16."""
    yaml = pytest.importorskip("yaml")
    write_workflow(tmp_path, COMPARISONS["demonstration"])
    found = read_configuration(yaml.safe_load((tmp_path / "config.yaml").read_text()), {}, tmp_path)
    command = commands.benchmark(found, 0)
    assert command[command.index("--engine") + 1] == "torch-float32"


def test_costs_are_of_the_trainers_on_the_plan():
    command = commands.costs(config(costs_script="/code/method_costs.py"))
    folder = "/data/preprocessed/Dataset901_Regions"
    assert options(command) == [
        *("python3", "/code/method_costs.py", "--plans", f"{folder}/nnUNetPlans.json"),
        *("--dataset-json", f"{folder}/dataset.json", "--configuration", "3d_fullres"),
        *("--trainers", "nnUNetTrainer,nnUNetTrainerMSTKD"),
    ]


def test_costs_stand_beside_the_results_of_the_first_plans():
    command = commands.results_and_costs(config(plans=["Small", "Large"]))
    assert options(command) == ["python3", "-m", "nnunetv2_mstkd.workflow.results_and_costs", "--plans", "Small"]


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_measures_costs_where_the_source_code_has_the_script(name, tmp_path, monkeypatch):
    yaml = pytest.importorskip("yaml")
    for file, expected in ((__file__, Path(__file__)), ("/nowhere/method_costs.py", None)):
        monkeypatch.setattr("nnunetv2_mstkd.workflow.folder._COSTS_SCRIPT", Path(file))
        folder = tmp_path / str(expected is None)
        write_workflow(folder, COMPARISONS[name])
        found = yaml.safe_load((folder / "config.yaml").read_text())
        assert read_configuration({**found, "raw": "/r", "preprocessed": "/p"}, {}, folder).costs_script == expected


def test_a_workflow_of_ones_own_measures_none(tmp_path, monkeypatch):
    monkeypatch.setattr("nnunetv2_mstkd.workflow.folder._COSTS_SCRIPT", Path(__file__))
    write_workflow(tmp_path)
    assert "\ncosts_script: null\n" in (tmp_path / "config.yaml").read_text()


def test_the_script_of_costs_is_where_the_source_code_has_it(checkout):
    if (checkout / "nnunetv2_mstkd") != Path(commands.__file__).parents[1]:
        pytest.skip("the package is installed, without the source code")
    assert checkout / "benchmarks" / "method_costs.py" == workflow_folder._COSTS_SCRIPT
    assert workflow_folder._COSTS_SCRIPT.is_file()


def test_without_snakemake_it_writes_all_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.version_info", (3, 11))
    assert run_command(tmp_path) == 0
    assert 'pip install "nnunetv2_mstkd[workflow]"' in capsys.readouterr().out
    assert (tmp_path / "Snakefile").is_file()


def test_an_old_python_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.version_info", (3, 10))
    run_command(tmp_path)
    assert "needs Python 3.11" in capsys.readouterr().out


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "config.yaml").write_text("mine")
    with pytest.raises(SettingsError, match=r"holds a workflow already \(config\.yaml\)"):
        write_workflow(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]
    with pytest.raises(SettingsError, match="is a file"):
        write_workflow(tmp_path / "config.yaml")
