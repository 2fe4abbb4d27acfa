"""Whether nnU-Net is whole, and our files inside it are ours and of this version (part of the doctor, L3)."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_mstkd import overlay
from nnunetv2_mstkd.compatibility import supported_range
from nnunetv2_mstkd.doctor.finding import Finding
from nnunetv2_mstkd.doctor.installation import DISTRIBUTION, Installation, source_folder

REINSTALL = "pip install --force-reinstall --no-deps .  # in the folder of our source"


def check_nnunet(installation: Installation) -> Iterator[Finding]:
    """Report where nnU-Net lies; problem: it is missing, or only leftovers of it are there."""
    install = f"pip install 'nnunetv2{supported_range()}'"
    if installation.nnunet is not None:
        yield Finding("nnunetv2 folder", "ok", str(installation.nnunet))
    elif not installation.fragments:
        yield Finding("nnunetv2 folder", "problem", "Python finds no nnunetv2", install)
    for fragment in installation.fragments:
        if _holds_only_our_files(fragment, installation):
            detail = f"nnU-Net was uninstalled; only our files are left in {fragment}"
            yield Finding("nnunetv2 folder", "problem", detail, install)
        else:
            detail = f"{fragment} has no __init__.py: leftovers of an uninstalled nnU-Net"
            yield Finding("nnunetv2 folder", "problem", detail, f"rm -r {shlex.quote(str(fragment))} && {install}")


def check_overlays(installation: Installation) -> Iterator[Finding]:
    """Look at our files in nnU-Net's folders; problem: of another version, warning: not recorded by pip."""
    for kind in overlay.TARGETS:
        folder = installation.served_folder(kind)
        if folder is not None and folder.is_dir() and _modules(folder):
            yield _check_overlay(kind, folder, installation)


def _check_overlay(kind: str, folder: Path, installation: Installation) -> Finding:
    name = f"overlay of {kind}"
    is_recorded = folder in installation.recorded
    if _modules(folder) != _modules(source_folder(kind)):
        remove = f"rm -r {shlex.quote(str(folder))}"
        mend = f"{remove} && {REINSTALL}" if is_recorded else remove
        return Finding(name, "problem", f"{folder} is of another version of {DISTRIBUTION}", mend)
    if not is_recorded:
        detail = f"{folder} belongs to no pip record of the package in use: an earlier install left it, or a second one"
        return Finding(name, "warning", detail, f"rm -r {shlex.quote(str(folder))}")
    return Finding(name, "ok", str(folder))


def _modules(folder: Path) -> dict[str, bytes]:
    """Return the modules of an overlay folder by name; compiled files do not count."""
    return {path.name: path.read_bytes() for path in folder.glob("*.py")}


def _holds_only_our_files(fragment: Path, installation: Installation) -> bool:
    files = (path for path in fragment.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return all(any(own in path.parents for own in installation.recorded) for path in files)
