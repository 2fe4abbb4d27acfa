"""The command's own function in this process, on folders in which files are really absent."""

import shutil
from pathlib import Path

import pytest

from nnunetv2_mstkd.cli.main import main

BRATS_NAMES = ("t1n", "t1c", "t2w", "t2f")


@pytest.fixture(autouse=True)
def _lookup(find_trainer):
    """Let nnU-Net find our trainers, also from an editable install."""


@pytest.fixture
def predict(trained_model, tmp_path):
    """Return a function that runs the command on `folder` and gives its exit code and the output's folder."""

    def run(folder: Path, *options: object, model: Path | None = None, output: str = "output") -> tuple[int, Path]:
        arguments = ["-m", model or trained_model(), "-i", folder, "-o", tmp_path / output, "-device", "cpu"]
        return main(["predict", *map(str, [*arguments, "--disable_tta", *options])]), tmp_path / output

    return run


@pytest.fixture
def input_folder(make_dataset, tmp_path):
    """Return a function that fills a folder with some channels of a test case, under names of one's own."""
    folder = tmp_path / "input"

    def fill(case: str, channels, name="{case}_{channel:04d}", variant: str = "regions", number: int = 0) -> Path:
        dataset = make_dataset(variant)
        for channel in channels:
            file = folder / f"{name.format(case=case, channel=channel, brats=BRATS_NAMES[channel])}.nii.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(dataset.test_files(dataset.test_cases[number])[channel], file)
        return folder

    return fill
