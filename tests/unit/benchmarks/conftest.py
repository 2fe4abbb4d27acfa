"""The scripts of benchmarks/ as modules, and plans for them that take no time."""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


@pytest.fixture
def benchmark(checkout: Path, find_trainer: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Return a function that imports a script; those with bare trainers have nnU-Net's folders in this test alone."""
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    monkeypatch.setenv("PYTHONPATH", str(checkout))  # of the processes that they start
    for name in FOLDERS:
        monkeypatch.setenv(name, os.environ[name])  # put back afterwards, whatever an import sets

    def load(name: str) -> ModuleType:
        module = importlib.import_module(name)
        if hasattr(module, "make_trainer"):
            # the import of bare_trainer sets them once in a session
            os.environ.update(dict.fromkeys(FOLDERS, sys.modules["bare_trainer"]._FOLDERS.name))
        return module

    return load


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., str]:
    """Return a function that runs a script with arguments and returns what it printed."""

    def run_main(module: ModuleType, *arguments: Any) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
        module.main()
        return capsys.readouterr().out

    return run_main


@pytest.fixture
def small_plan(benchmark: Callable) -> Any:
    """The first three stages of the BraTS plan, on a patch of 16 voxels along each axis."""
    return benchmark("brats_plan").BratsPlan((16, 16, 16), stages=3)
