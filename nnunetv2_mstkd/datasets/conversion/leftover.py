"""What killed runs left half written (L1')."""

import os
import re
from pathlib import Path

PREFIX = ".partial_"
_PROCESS = re.compile(rf"{re.escape(PREFIX)}[0-9a-f]{{8}}(\d+)_")  # as whole_file.py names them


def remove_leftovers(out: Path) -> None:
    """Remove the half-written files of a dataset whose process is gone; nnU-Net would take them for images.

    Those of a conversion that is running stay.

    Args:
        out: folder of the dataset.
    """
    for file in (*out.glob(f"{PREFIX}*"), *out.glob(f"*/{PREFIX}*")):
        process = _PROCESS.match(file.name)
        if process and not _is_running(int(process[1])):
            file.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
