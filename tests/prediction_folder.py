"""What `mstkd predict` leaves of a case, and of a run."""

import json
from pathlib import Path

import numpy as np
import SimpleITK


def labels_of(folder: Path, case: str) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / f"{case}.nii.gz")))


def sidecar_of(folder: Path, case: str) -> dict:
    return json.loads((folder / f"{case}.mstkd.json").read_text())


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "mstkd_run.json").read_text())
