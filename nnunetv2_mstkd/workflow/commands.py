"""The command of each job (L0: standard library only).

Each can be called any number of times: what is done stays, and the rest is done.
"""

import os
from pathlib import Path

from nnunetv2_mstkd.workflow.configuration import PREPROCESSED, RAW, Configuration

RESULTS = "nnUNet_results"
PLANNED = "mstkd_planned.json"  # in the preprocessed dataset
_AUGMENTATION = "nnUNet_n_proc_DA"


def results_folder(config: Configuration, repeat: int) -> Path:
    """Return nnUNet_results of a repeat."""
    return config.results / f"repeat_{repeat}"


def preprocessed_folder(config: Configuration, repeat: int) -> Path:
    """Return nnUNet_preprocessed of a repeat: of the first one the user's own, of another one that `repeat` makes."""
    return config.preprocessed if repeat == 0 else results_folder(config, repeat) / "preprocessed"


def cohort(config: Configuration) -> list[str]:
    """Write the simulated dataset, or do nothing if it is there."""
    return _with_environment(config, 0, ["mstkd", "cohort", str(config.raw / config.dataset), *config.cohort_options])


def plan(config: Configuration) -> list[str]:
    """Plan and preprocess the dataset, or do nothing if this was done."""
    number = str(int(config.dataset[len("Dataset") :][:3]))
    command = ["nnUNetv2_plan_and_preprocess", "-d", number, "-c", config.configuration, *config.plan_options]
    # the planner gives torch as many threads as there are augmentation processes: with none it fails
    needed = {_AUGMENTATION: "1"} if _variable(config, _AUGMENTATION) == "0" else {}
    record = config.preprocessed / config.dataset / PLANNED
    made = f"{config.configuration} of {', '.join(config.plans)}"
    wrapped = ["python3", "-m", "nnunetv2_mstkd.workflow.planning", str(record), made, "--", *command]
    return _with_environment(config, 0, wrapped, needed)


def splits(config: Configuration) -> list[str]:
    """Write nnU-Net's cross-validation, which all trainings then read, or do nothing if it is there."""
    arguments = [str(config.preprocessed / config.dataset), config.configuration, *config.plans]
    return _with_environment(config, 0, ["python3", "-m", "nnunetv2_mstkd.planning.splits", *arguments])


def repeat(config: Configuration, number: int) -> list[str]:
    """Make the preprocessed dataset of a repeat, which is the first one's with another seed in the plans."""
    source, target = config.preprocessed / config.dataset, preprocessed_folder(config, number) / config.dataset
    arguments = [str(source), str(target), "--seed-offset", str(number), "--plans", *config.plans]
    return ["python3", "-m", "nnunetv2_mstkd.workflow.repeat", *arguments]


def train(config: Configuration, trainer: str, plans: str, number: int, fold: str, threads: int) -> list[str]:
    """Train one fold, or continue, or do nothing if it is trained.

    Args:
        config: of the workflow.
        trainer: name, without a title.
        plans: name.
        number: of the repeat.
        fold: number of the fold.
        threads: cores of the job.
    """
    model = f"{trainer}__{plans}__{config.configuration}"
    folder = results_folder(config, number) / config.dataset / model / f"fold_{fold}"
    command = ["nnUNetv2_train", config.dataset, config.configuration, fold, "-tr", trainer, "-p", plans]
    command += ["-device", config.device, *config.train_options]
    # nnU-Net starts 12 processes, whatever the job has. On a CPU the network needs the cores itself.
    own = {_AUGMENTATION: str(threads)} if config.device == "cuda" and not _variable(config, _AUGMENTATION) else {}
    wrapped = ["python3", "-m", "nnunetv2_mstkd.workflow.training", str(folder), "--", *command]
    return _with_environment(config, number, wrapped, own)


def benchmark(config: Configuration, part: int) -> list[str]:
    """Score one of the parts into which the cases of all trainings are cut."""
    command = ["mstkd", "benchmark", "-o", str(config.output), "-d", config.dataset, "-c", config.configuration]
    command += ["-tr", *config.trainers, "-p", *config.plans, "-f", *config.folds]
    command += ["--results", *(str(results_folder(config, number)) for number in range(config.repeats))]
    command += ["-device", config.device, *(("--subsets", *config.subsets) if config.subsets else ())]
    command += ["--part", str(part), "--parts", str(num_parts(config)), "--no-report", *config.benchmark_options]
    return _with_environment(config, 0, command)


def num_parts(config: Configuration) -> int:
    """Return into how many jobs the benchmark is cut."""
    trainings = len(config.trainers) * len(config.plans) * len(config.folds) * config.repeats
    return trainings * config.parts


def report(config: Configuration) -> list[str]:
    """Make the report of all records."""
    return _with_environment(config, 0, ["mstkd", "report", str(config.output), *config.report_options])


def costs(config: Configuration) -> list[str]:
    """Measure what the trainers cost on the first plans; `--json FILE` is still to be added."""
    folder = config.preprocessed / config.dataset
    options = ["--plans", str(folder / f"{config.plans[0]}.json"), "--dataset-json", str(folder / "dataset.json")]
    options += ["--configuration", config.configuration, "--trainers", ",".join(config.trainer_names)]
    return _with_environment(config, 0, ["python3", str(config.costs_script), *options])


def results_and_costs(config: Configuration) -> list[str]:
    """Put what the trainers give and what they cost into one table; `SUMMARY COSTS TABLE` are still to be added."""
    command = ["python3", "-m", "nnunetv2_mstkd.workflow.results_and_costs", "--plans", config.plans[0]]
    return _with_environment(config, 0, command)


def _variable(config: Configuration, name: str) -> str | None:
    return config.environment.get(name, os.environ.get(name))


def _with_environment(
    config: Configuration, number: int, command: list[str], own: dict[str, str] | None = None
) -> list[str]:
    """Put nnU-Net's folders and the user's variables before a command, so that a line of a log can be typed again."""
    folders = {
        RAW: str(config.raw),
        PREPROCESSED: str(preprocessed_folder(config, number)),
        RESULTS: str(results_folder(config, number)),
    }
    return [
        "env",
        *(f"{name}={value}" for name, value in {**folders, **config.environment, **(own or {})}.items()),
        *command,
    ]
