"""nnU-Net's three folders (part of the doctor, L3)."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_mstkd.doctor.finding import Finding, Status
from nnunetv2_mstkd.doctor.installation import Installation

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


def check_folders(_installation: Installation) -> Iterator[Finding]:
    """Problem: one of the three variables is unset, or its folder is missing or cannot be written."""
    for variable in FOLDERS:
        yield _check_folder(variable)


def _check_folder(variable: str) -> Finding:
    value = os.environ.get(variable)
    if not value:
        folder = f'"$HOME/nnUNet/{variable}"'
        return Finding(variable, "problem", "not set", f"mkdir -p {folder} && export {variable}={folder}")
    path, quoted = Path(value), shlex.quote(value)
    if not path.exists():
        return Finding(variable, "problem", f"{value} does not exist", f"mkdir -p {quoted}")
    if not path.is_dir():
        return Finding(variable, "problem", f"{value} is not a folder", f"export {variable}=<a folder>")
    if not os.access(path, os.R_OK | os.X_OK):
        return Finding(variable, "problem", f"{value} cannot be read", f"chmod u+rwx {quoted}")
    if not os.access(path, os.W_OK):
        # Raw data on a read-only share serve all of training; only converters write there.
        status: Status = "warning" if variable == "nnUNet_raw" else "problem"
        return Finding(variable, status, f"{value} cannot be written", f"chmod u+w {quoted}")
    return Finding(variable, "ok", value)
