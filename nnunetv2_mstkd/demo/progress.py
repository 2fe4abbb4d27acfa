"""What is shown while a command runs (L2)."""

import re
import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

LINE_EVERY_S = 30.0  # where lines cannot be overwritten: in a log, in a pipe

_NUMBER = re.compile(r"(?:np\.float\d+\()?(nan|\d+\.?\d*(?:e-?\d+)?)\)?")


@dataclass
class Progress:
    """Reads how far a command is from what it prints.

    Args:
        epochs: of the training; 0: any other command, of which the time is all that is known.
    """

    epochs: int = 0
    _epoch: int = field(default=0, init=False)
    _dice: str = field(default="", init=False)
    _epoch_time: str = field(default="", init=False)
    _validated: int = field(default=-1, init=False)
    _unfinished: str = field(default="", init=False)

    def feed(self, output: str) -> None:
        """Take in the next piece of the output, which may end within a line."""
        *lines, self._unfinished = (self._unfinished + output).split("\n")
        if self.epochs:
            for line in lines:
                self._read(line)

    def _read(self, line: str) -> None:
        if found := re.search(r"\bEpoch (\d+)\s*$", line):
            self._epoch = int(found[1])
        elif "Pseudo dice" in line:
            numbers = _NUMBER.findall(line.partition("[")[2])
            self._dice = ", pseudo Dice " + " ".join(f"{float(number):.2f}" for number in numbers)
        elif found := re.search(r"Epoch time: ([\d.]+) s", line):
            self._epoch_time = f", {float(found[1]):.0f} s an epoch"
        elif "Training done." in line:
            self._validated = 0
        elif re.search(r": predicting \S+\s*$", line):
            self._validated += 1

    def text(self) -> str:
        """Return what is known, in a few words; empty if nothing is."""
        if not self.epochs:
            return ""
        if self._validated >= 0:
            return f"final validation, case {max(1, self._validated)}{self._dice}"
        return f"epoch {self._epoch + 1} of {self.epochs}{self._dice}{self._epoch_time}"


class Display:
    """A line on a terminal that is overwritten; elsewhere a line every half minute.

    Args:
        stream: where to.
        every_s: seconds between two lines where they cannot be overwritten.
    """

    def __init__(self, stream: TextIO | None = None, every_s: float = LINE_EVERY_S) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._every_s = every_s
        self._overwrites = self._stream.isatty()
        self._shown = 0  # characters of the line that is to be overwritten
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._stream.write(f"{self._erase()}{text}\n")
        self._stream.flush()
        self._last = time.monotonic()

    def update(self, text: str) -> None:
        """Show where a command is."""
        if not self._overwrites:
            if time.monotonic() - self._last >= self._every_s:
                self.say(text)
            return
        self._stream.write(f"{self._erase()}{text}")
        self._stream.flush()
        self._shown = len(text)

    def _erase(self) -> str:
        shown, self._shown = self._shown, 0
        return f"\r{' ' * shown}\r" if shown else ""


def clock(seconds: float) -> str:
    """Return minutes and seconds as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
