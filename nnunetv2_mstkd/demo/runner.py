"""Runs the steps one after the other, and none twice (L2)."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_mstkd.demo.progress import Display, Progress, clock
from nnunetv2_mstkd.demo.record import Record
from nnunetv2_mstkd.demo.step import Step
from nnunetv2_mstkd.errors import DemoError

LOG_LINES = 30  # shown of a command that failed
POLL_S = 0.2
GRACE_S = 5.0  # for a command that is asked to end

# Python must not hold back the lines that the progress is read from
_UNBUFFERED = {"PYTHONUNBUFFERED": "1"}


class Runner:
    """Runs steps in a folder, with a log of each.

    Args:
        root: the folder; commands run in it, logs go to its subfolder `logs`.
        environment: variables of all steps, besides those of this process.
        record: what is done already.
        display: where progress is shown.
    """

    def __init__(self, root: Path, environment: Mapping[str, str], record: Record, display: Display) -> None:
        self._root = root
        self._environment = {**environment, **_UNBUFFERED}
        self._record = record
        self._display = display

    def run(self, steps: Sequence[Step]) -> None:
        """Run what is not done yet.

        Raises:
            DemoError: if a command fails; the end of its log has been shown.
        """
        for number, step in enumerate(steps, 1):
            title = f"[{number}/{len(steps)}] {step.name}"
            if self._record.is_finished(step):
                self._display.say(f"{title}: done before")
            else:
                self._do(step, steps, title)

    def _do(self, step: Step, steps: Sequence[Step], title: str) -> None:
        continues = self._record.is_started(step)
        if not continues:
            self._remove(step)
        self._record.start(step, steps)
        arguments = step.arguments(self._root, continues=continues)
        if step.comment:
            self._display.say(f"# {step.comment}")
        self._display.say(f"$ {shlex.join(arguments)}")
        started = time.monotonic()
        returncode = self._call(step, arguments, title)
        if returncode != 0:
            raise DemoError(self._explain(step, returncode))
        seconds = time.monotonic() - started
        self._record.finish(step, seconds)
        self._display.say(f"{title}: done in {clock(seconds)}")

    def _remove(self, step: Step) -> None:
        """Remove what other settings made: nnU-Net would mix it with the new."""
        for path in (self._root / relative for relative in step.produces):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _call(self, step: Step, arguments: Sequence[str], title: str) -> int:
        command = [find_executable(arguments[0]), *arguments[1:]]
        environment = {**os.environ, **self._environment}
        environment.pop("MSTKD_MODALITIES", None)
        with open(self._log(step), "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own: stopped with all of its worker processes
            )
        try:
            return self._watch(process, step, title)
        finally:
            stop(process)

    def _watch(self, process: subprocess.Popen[bytes], step: Step, title: str) -> int:
        """Show the progress until the process ends; return its code."""
        started, progress = time.monotonic(), Progress(step.epochs)
        with open(self._log(step), encoding="utf-8", errors="replace") as log:
            while process.poll() is None:
                time.sleep(POLL_S)
                progress.feed(log.read())
                details = [text for text in (progress.text(), clock(time.monotonic() - started)) if text]
                self._display.update(f"{title}: {', '.join(details)}")
        return process.returncode

    def _log(self, step: Step) -> Path:
        return self._root / "logs" / f"{step.name}.txt"

    def _explain(self, step: Step, returncode: int) -> str:
        log = self._log(step)
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]:
            self._display.say(f"    {line}")
        ended = f"was killed by signal {-returncode}" if returncode < 0 else f"failed with exit code {returncode}"
        return f"the step {step.name} {ended}; its whole log is {log}. Run the demo again to go on from here."


def find_executable(name: str) -> str:
    """Return the path of a command: beside the running Python first, so that it is of the same environment.

    Raises:
        DemoError: if there is none.
    """
    if name == "python":
        return sys.executable
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise DemoError(f"the command {name} is neither in {Path(sys.executable).parent} nor on the PATH")
    return found


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; does nothing where it has ended."""
    if process.poll() is not None:
        return
    if not hasattr(os, "killpg"):  # Windows
        process.kill()
        process.wait()
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
