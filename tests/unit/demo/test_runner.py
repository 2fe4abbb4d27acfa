"""Steps are run as real processes: once, in order, resumed, and stopped with all that they started."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunetv2_mstkd.demo.progress import Display
from nnunetv2_mstkd.demo.record import Record
from nnunetv2_mstkd.demo.runner import Runner, find_executable, stop
from nnunetv2_mstkd.demo.step import Step
from nnunetv2_mstkd.errors import DemoError

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"


@pytest.fixture
def run(tmp_path):
    """Run steps as a new call of the demo does, and return what it shows."""
    (tmp_path / "logs").mkdir()

    def run(*steps, environment=None):
        shown = io.StringIO()
        record = Record.read(tmp_path / "demo.json")
        try:
            Runner(tmp_path, environment or {}, record, Display(shown)).run(steps)
        except DemoError as error:
            error.shown = shown.getvalue()
            raise
        return shown.getvalue()

    return run


def python(name, code, *arguments, **options):
    return Step(name, ("python", "-c", code, *arguments), **options)


def append(name, text, **options):
    return python(name, APPEND, f"{name}.txt", text, produces=(Path(f"{name}.txt"),), **options)


def test_a_step_runs_once(run, tmp_path):
    step = append("first", "x")
    assert "$ python -c" in run(step)
    assert "[1/1] first: done before" in run(step)
    assert (tmp_path / "first.txt").read_text() == "x"


def test_a_changed_step_is_done_anew_with_its_followers_and_no_others(run, tmp_path):
    followers = [append("b", "1", needs=("a",)), append("c", "1", needs=("b",)), append("other", "1")]
    run(append("a", "1"), *followers)
    shown = run(append("a", "2"), *followers)
    assert "[4/4] other: done before" in shown
    assert shown.count("done before") == 1
    # what the old settings had made is gone: nothing was appended to it
    assert [(tmp_path / f"{name}.txt").read_text() for name in "abc"] == ["2", "1", "1"]


def test_other_worker_counts_are_no_change(run):
    run(append("a", "1", tuning=("2",)))
    assert "done before" in run(append("a", "1", tuning=("4",)))


def test_a_failure_shows_the_end_of_the_log_and_says_where_it_is(run, tmp_path):
    step = python("broken", "for i in range(50): print('line', i)\nraise SystemExit(3)")
    with pytest.raises(DemoError, match="broken failed with exit code 3") as caught:
        run(step)
    assert str(tmp_path / "logs" / "broken.txt") in str(caught.value)
    assert "line 49" in caught.value.shown
    assert "line 19\n" not in caught.value.shown


def test_what_failed_is_tried_again_and_what_came_before_is_not(run, tmp_path):
    before = append("before", "1")
    broken = python("after", "import os; raise SystemExit(not os.path.exists('mended'))")
    with pytest.raises(DemoError):
        run(before, broken)
    (tmp_path / "mended").touch()
    assert "before: done before" in run(before, broken)


def test_a_command_killed_by_a_signal_is_a_failure(run):
    with pytest.raises(DemoError, match=f"was killed by signal {signal.SIGKILL:d}"):
        run(python("victim", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))


@pytest.mark.parametrize(("checkpoint", "continues"), [(True, True), (False, False)])
def test_an_interrupted_training_continues_from_its_checkpoint(run, tmp_path, checkpoint, continues):
    code = "import sys, os; os.path.exists('go') or sys.exit(1)"
    step = python("train", code, checkpoints=(Path("latest.pth"),), produces=(Path("latest.pth"),))
    with pytest.raises(DemoError):
        run(step)
    (tmp_path / "go").touch()
    if checkpoint:
        (tmp_path / "latest.pth").touch()
    assert ("--c\n" in run(step)) == continues


def test_a_checkpoint_of_other_settings_is_not_continued(run, tmp_path):
    training = {"checkpoints": (Path("latest.pth"),), "produces": (Path("latest.pth"),)}
    with pytest.raises(DemoError):
        run(python("train", "raise SystemExit(1)", **training))
    (tmp_path / "latest.pth").touch()
    assert "--c" not in run(python("train", "pass", **training))


def test_commands_run_in_the_folder_with_the_demos_variables(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MSTKD_MODALITIES", "T1")  # the user's own would spoil every training
    code = "import json, os; json.dump([os.getcwd(), dict(os.environ)], open('seen.json', 'w'))"
    run(python("look", code), environment={"nnUNet_raw": "somewhere"})
    folder, environment = json.loads((tmp_path / "seen.json").read_text())
    assert Path(folder) == tmp_path
    assert environment["nnUNet_raw"] == "somewhere"
    assert "MSTKD_MODALITIES" not in environment


def test_the_line_shown_can_be_pasted(run, tmp_path):
    shown = run(append("a", "it's two words"))
    line = next(line for line in shown.splitlines() if line.startswith("$ "))
    (tmp_path / "a.txt").unlink()
    subprocess.run(line[2:].replace("python", sys.executable, 1), shell=True, check=True, cwd=tmp_path)
    assert (tmp_path / "a.txt").read_text() == "it's two words"


def test_commands_are_those_of_the_running_python():
    assert Path(find_executable("mstkd")).parent == Path(sys.executable).parent
    with pytest.raises(DemoError, match="no_such_command"):
        find_executable("no_such_command")


def test_stopping_ends_the_workers_too(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(worker.pid) + '\\n')\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        time.sleep(0.05)
    stop(process)
    assert process.returncode == -signal.SIGTERM
    assert not is_running(int((tmp_path / "pid").read_text()))


def is_running(pid):
    """Whether a process does anything; one that nobody has waited for is still listed as a zombie."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        status = Path(f"/proc/{pid}/stat")
        if status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        time.sleep(0.05)
    return True
