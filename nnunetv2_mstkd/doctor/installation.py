"""Facts about what is installed where, read once for all checks (part of the doctor, L3)."""

from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import nnunetv2_mstkd
from nnunetv2_mstkd import overlay

DISTRIBUTION = "nnunetv2_mstkd"


@dataclass(frozen=True)
class Installation:
    """Where nnU-Net and our overlay lie.

    Args:
        nnunet: the folder of the nnunetv2 package that Python imports; None if there is no such package.
        fragments: folders called nnunetv2 without an `__init__.py`, where there is no package: what an uninstalled
            nnU-Net leaves.
        is_checkout: whether our package runs from its source (editable install, PYTHONPATH): no overlay then.
        recorded: the overlay folders that pip recorded as ours.
    """

    nnunet: Path | None
    fragments: tuple[Path, ...]
    is_checkout: bool
    recorded: tuple[Path, ...]

    @classmethod
    def read(cls) -> "Installation":
        """Read the facts of the running Python."""
        nnunet, fragments = _find_nnunet()
        is_checkout, recorded = _read_record()
        return cls(nnunet, fragments, is_checkout, recorded)

    def served_folder(self, kind: str) -> Path | None:
        """Return where nnU-Net would look for the overlay of this kind; None without an nnU-Net."""
        if self.nnunet is None:
            return None
        return self.nnunet.parent / Path(*overlay.TARGETS[kind].split("."))


def source_folder(kind: str) -> Path:
    """Return our own copy of the overlay of this kind; for trainers the folder that nnUNet_extTrainer may name."""
    return Path(overlay.__file__).resolve().parent / kind


def _find_nnunet() -> tuple[Path | None, tuple[Path, ...]]:
    spec = util.find_spec("nnunetv2")
    if spec is None:
        return None, ()
    if spec.origin is not None:
        return Path(spec.origin).resolve().parent, ()
    return None, tuple(Path(folder).resolve() for folder in spec.submodule_search_locations or ())


def _read_record() -> tuple[bool, tuple[Path, ...]]:
    own = Path(nnunetv2_mstkd.__file__).resolve()
    for distribution in installed_distributions(DISTRIBUTION):
        files = {Path(str(distribution.locate_file(file))).resolve() for file in distribution.files or ()}
        if own in files:
            site = own.parent.parent
            folders = (site / Path(*dotted.split(".")) for dotted in overlay.TARGETS.values())
            return False, tuple(folder for folder in folders if any(folder in file.parents for file in files))
    return True, ()


def installed_distributions(name: str) -> list[metadata.Distribution]:
    """Return what pip installed under this name, one a folder; an egg-info that a build left in a checkout is none."""
    found = {str(Path(str(d.locate_file(""))).resolve()): d for d in reversed(list(metadata.distributions(name=name)))}
    return [d for d in reversed(found.values()) if d.read_text("RECORD") is not None]
