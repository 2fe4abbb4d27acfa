"""The tests' tiny data set as a study's folder."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "studies"))  # scripts, no part of the package

from study_data import Cohort, StudyData, prepare


@pytest.fixture
def study(make_dataset, tmp_path, monkeypatch) -> StudyData:
    """The tests' tiny data set as a study's folder."""
    dataset = make_dataset("regions")
    for name, folder in (("nnUNet_raw", dataset.raw), ("nnUNet_preprocessed", dataset.preprocessed)):
        shutil.copytree(folder, tmp_path / name / folder.name)
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "nnUNet_results"))
    monkeypatch.setattr("study_data._is_preprocessed", lambda data: True)  # the tiny plans share the stock plans' data
    return prepare(tmp_path, Cohort(plans_name=dataset.plans_name))
