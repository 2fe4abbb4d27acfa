"""Run a command as the job itself would be run (L0: standard library only)."""

import signal
import subprocess
from collections.abc import Sequence


def run(command: Sequence[str]) -> int:
    """Run a command to its end and return its exit code; a scheduler's request to stop is passed on.

    Args:
        command: and its arguments. Its output goes where that of the caller goes.

    Returns:
        The exit code; 128 and the number of the signal if it was ended by one, as a shell has it.
    """
    process = subprocess.Popen(command)
    previous = signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    try:
        code = process.wait()
    except KeyboardInterrupt:  # a terminal sends it to the command, too
        code = process.wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
    return code if code >= 0 else 128 - code
