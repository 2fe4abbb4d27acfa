"""Versions, and packages that are there twice (part of the doctor, L3)."""

import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import nnunetv2_mstkd
from nnunetv2_mstkd.compatibility import nnunet_version, require_supported_nnunet, supported_range
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import DISTRIBUTION, Installation, installed_distributions
from nnunetv2_mstkd.errors import UnsupportedNNUNetError


def check_versions(installation: Installation) -> Iterator[Finding]:
    """Report the versions; problem: torch is missing, nnU-Net is missing or outside the supported range."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("nnunetv2_mstkd", "ok", _describe_own(installation))
    yield _check_torch()
    yield _check_nnunet_version()


def check_copies(_installation: Installation) -> Iterator[Finding]:
    """Problem: one of the two packages is installed in several site folders, so that versions may be mixed."""
    for name in (DISTRIBUTION, "nnunetv2"):
        folders = [Path(str(d.locate_file(""))).resolve() for d in installed_distributions(name)]
        if len(folders) > 1:
            listed = ", ".join(map(str, folders))
            detail = f"installed {len(folders)} times, the first one is used: {listed}"
            yield Finding(
                f"{name} copies", "problem", detail, f"pip uninstall {name}  # until none is left, then install"
            )


def _describe_own(installation: Installation) -> str:
    folder = Path(nnunetv2_mstkd.__file__).resolve().parent
    how = "run from its source (editable install or PYTHONPATH)" if installation.is_checkout else "installed"
    return f"{nnunetv2_mstkd.__version__}, {how}: {folder}"


def _check_torch() -> Finding:
    try:
        return Finding("torch", "ok", metadata.version("torch"))
    except metadata.PackageNotFoundError:
        return Finding("torch", "problem", "not installed", "pip install torch")


def _check_nnunet_version() -> Finding:
    try:
        require_supported_nnunet()
    except UnsupportedNNUNetError as error:
        return Finding("nnunetv2", "problem", str(error), f"pip install 'nnunetv2{supported_range()}'")
    return Finding("nnunetv2", "ok", f"{nnunet_version()} (supported: {supported_range()})")
