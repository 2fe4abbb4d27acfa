"""How long nnU-Net's own trainer can train (L0: standard library only)."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_mstkd.errors import SettingsError

OWN_TRAINERS = "nnUNet_extTrainer"  # nnU-Net's variable: folders of a user's own trainers
_STOCK_SCHEDULE = re.compile(r"nnUNetTrainer_\d+epochs?")  # nnU-Net has few; ours take any number


def require_stock_schedules(trainers: Sequence[str]) -> None:
    """Check that nnU-Net's own trainer has the schedules asked for: else its job alone fails, after days of others.

    Args:
        trainers: names; those of others are passed over, and so are all where nnU-Net is not installed.

    Raises:
        SettingsError: if nnU-Net has no such class.
    """
    spec = importlib.util.find_spec("nnunetv2")
    if spec is None or spec.origin is None:
        return
    asked = {trainer for trainer in trainers if _STOCK_SCHEDULE.fullmatch(trainer)}
    files = (Path(spec.origin).parent / "training" / "nnUNetTrainer").rglob("*.py") if asked else ()
    for file in files:
        asked -= set(re.findall(r"^class (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE))
    if asked:
        raise SettingsError(
            f"trainers: nnU-Net has no {', '.join(sorted(asked))}. It has 1, 5, 10, 20, 50, 100, 250, 500, 750, 2000, "
            f"4000 and 8000 epochs (nnUNetTrainer_1epoch, nnUNetTrainer_5epochs ...), and 1000 without a suffix"
        )
