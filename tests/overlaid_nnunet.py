"""A copy of nnU-Net in which the overlay is installed, whatever is installed here."""

import shutil
from pathlib import Path

import nnunetv2

from nnunetv2_mstkd import overlay


def write_overlaid_nnunet(root: Path) -> tuple[str, str]:
    """Return the paths of an nnunetv2 with the overlay, and of this package, for the PYTHONPATH of a command.

    Args:
        root: an empty folder, for the copy.
    """
    shutil.copytree(nnunetv2.__path__[0], root / "nnunetv2", ignore=shutil.ignore_patterns("mstkd"))
    for kind, dotted in overlay.TARGETS.items():
        shutil.copytree(Path(overlay.__file__).parent / kind, root / dotted.replace(".", "/"))
    return str(root), str(Path(overlay.__file__).parents[2])
