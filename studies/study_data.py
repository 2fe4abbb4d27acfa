"""The study's data set: made, planned and preprocessed once by the commands, its test cases preprocessed once, too."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_mstkd.whole_file import whole_file

CONFIGURATION = "3d_fullres"
PLANNER = "nnUNetPlannerTiny"
TRAINING_ONLY = ("nnUNet_n_proc_DA", "nnUNet_def_n_proc")  # variables of the runs that planning cannot work with


@dataclass(frozen=True)
class Cohort:
    """What to make when the folder is empty.

    Args:
        cases: for training.
        test_cases: held out from all training.
        spacing_mm: isotropic.
        seed: of the cohort, not of the runs.
        number: nnU-Net's dataset id.
        name: of the dataset. Results are of the data that is there, whatever the name: an older folder keeps its own.
        gpu_memory_target: GB, for nnUNetPlannerTiny: what sets the patch, hence the cost of an iteration.
        plans_name: under which its plans are kept.
    """

    cases: int = 40
    test_cases: int = 12
    spacing_mm: float = 4.0
    seed: int = 1
    number: int = 910
    name: str = "FirstEvidence"
    gpu_memory_target: float = 0.024
    plans_name: str = "nnUNetPlansStudy"


@dataclass(frozen=True)
class StudyData:
    """The study's folders: nnU-Net's three, and what the study keeps itself."""

    work: Path
    plans_name: str

    @cached_property
    def dataset(self) -> str:
        """The data set's folder name, the only one in nnUNet_raw."""
        (folder,) = sorted(f.name for f in (self.work / "nnUNet_raw").glob("Dataset*"))
        return folder

    @property
    def raw(self) -> Path:
        """The raw data set."""
        return self.work / "nnUNet_raw" / self.dataset

    @property
    def preprocessed(self) -> Path:
        """The planned and preprocessed data set."""
        return self.work / "nnUNet_preprocessed" / self.dataset

    @cached_property
    def plans(self) -> dict[str, Any]:
        """The plans, as planned."""
        return json.loads((self.preprocessed / f"{self.plans_name}.json").read_text())

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration that is trained, as planned."""
        return self.plans["configurations"][CONFIGURATION]

    @cached_property
    def dataset_json(self) -> dict[str, Any]:
        """The dataset.json."""
        return json.loads((self.raw / "dataset.json").read_text())

    @property
    def test_cases(self) -> list[str]:
        """Identifiers of the held-out cases."""
        ending = self.dataset_json["file_ending"]
        return sorted(file.name.removesuffix(ending) for file in (self.raw / "labelsTs").glob(f"*{ending}"))

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of all raw files and of the plan: what a result depends on beside its arm."""
        digest = hashlib.sha256(json.dumps(self.plans, sort_keys=True).encode())
        for file in sorted(self.raw.rglob("*")):
            if file.is_file():
                digest.update(file.relative_to(self.raw).as_posix().encode() + file.read_bytes())
        return digest.hexdigest()[:10]

    def test_case_file(self, case: str) -> Path:
        """Return where a preprocessed test case is kept."""
        return self.work / "test_cases" / self.fingerprint / f"{case}.pkl"

    def load_test_case(self, case: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Return a test case as nnU-Net's preprocessor left it: image (M, *S) and properties."""
        return pickle.loads(self.test_case_file(case).read_bytes())  # our own file


def set_folders(work: Path) -> None:
    """Point nnU-Net's variables at the study's folder, for this process and those that it starts."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (work / name).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(work / name)


def prepare(work: Path, cohort: Cohort) -> StudyData:
    """Make, plan and preprocess whatever is not there yet, and return it."""
    set_folders(work)
    if not any((work / "nnUNet_raw").glob("Dataset*/dataset.json")):
        _command("mstkd", *_cohort_arguments(work, cohort))
    data = StudyData(work, cohort.plans_name)
    if not _is_preprocessed(data):
        _command("nnUNetv2_plan_and_preprocess", *_planning_arguments(data, cohort))
    _preprocess_test_cases(data)
    return data


def _cohort_arguments(work: Path, cohort: Cohort) -> list[str]:
    folder = work / "nnUNet_raw" / f"Dataset{cohort.number:03d}_{cohort.name}"
    options = {
        "--cases": cohort.cases,
        "--test-cases": cohort.test_cases,
        "--spacing": cohort.spacing_mm,
        "--seed": cohort.seed,
    }
    return ["cohort", str(folder), *(str(part) for option in options.items() for part in option)]


def _is_preprocessed(data: StudyData) -> bool:
    return any(data.preprocessed.glob(f"{data.plans_name}_{CONFIGURATION}/*"))


def _planning_arguments(data: StudyData, cohort: Cohort) -> list[str]:
    number = data.dataset.removeprefix("Dataset").split("_")[0]
    plans = ["-gpu_memory_target", str(cohort.gpu_memory_target), "-overwrite_plans_name", cohort.plans_name]
    what = ["-d", number, "-c", CONFIGURATION, "-pl", PLANNER, *plans]
    return [*what, "--verify_dataset_integrity", "-np", "2", "-npfp", "2"]


def _command(name: str, *arguments: str) -> None:
    """Run a command of this environment as a user would."""
    program = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    environment = {key: value for key, value in os.environ.items() if key not in TRAINING_ONLY}
    subprocess.run([program or name, *arguments], check=True, env=environment)


def _preprocess_test_cases(data: StudyData) -> None:
    """Preprocess the test cases as nnUNetPredictor would, from files, without a reference."""
    missing = [case for case in data.test_cases if not data.test_case_file(case).is_file()]
    if not missing:
        return
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = PlansManager(data.plans)
    configuration = plans.get_configuration(CONFIGURATION)
    preprocessor = configuration.preprocessor_class(verbose=False)
    data.test_case_file(missing[0]).parent.mkdir(parents=True, exist_ok=True)
    for case in missing:
        files = sorted(
            str(file) for file in (data.raw / "imagesTs").glob(f"{case}_????{data.dataset_json['file_ending']}")
        )
        image, _, properties = preprocessor.run_case(files, None, plans, configuration, data.dataset_json)
        with whole_file(data.test_case_file(case)) as temporary:
            temporary.write_bytes(pickle.dumps((image, properties)))
