"""Numbers on the command line, with errors that say what is allowed (L4)."""

import argparse
import contextlib
import math
from collections.abc import Callable


def whole_number(least: int) -> Callable[[str], int]:
    """Return what reads a whole number that is not below `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on; given: {text}")
        return int(text)

    return read


def step_size(text: str) -> float:
    """Read the step of a sliding window, in patches."""
    with contextlib.suppress(ValueError):
        if 0 < (size := float(text)) <= 1:
            return size
    raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, in patches; given: {text}")


def positive(text: str) -> float:
    """Read a number above 0."""
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"must be a number above 0; given: {text}")
