"""A `mstkd predict` that is killed goes on, and leaves no half case."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prediction_folder import labels_of, sidecar_of

from nnunetv2_mstkd.cli.main import main

pytestmark = pytest.mark.slow


def test_a_killed_run_goes_on(input_folder, trained_model, tmp_path, external_trainers):
    for i in range(6):
        folder = input_folder(f"case{i}", [1, 3])
    output = tmp_path / "output"
    command = [str(Path(sys.executable).with_name("mstkd")), "predict"]
    command += ["-m", str(trained_model()), "-i", str(folder), "-o", str(output), "-device", "cpu"]
    command += ["--engine", "torch-float32"]  # compiling another one takes longer than all the cases
    environment = {**os.environ, **external_trainers}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (output / "case1.mstkd.json").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = {file.name.removesuffix(".mstkd.json"): file.read_text() for file in output.glob("case*.mstkd.json")}
    assert 2 <= len(finished) < 6
    for case in finished:
        labels_of(output, case)
    subprocess.run([*command, "--continue_prediction"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert {file.name for file in output.glob("case*.nii.gz")} == {f"case{i}.nii.gz" for i in range(6)}
    assert all((output / f"{case}.mstkd.json").read_text() == text for case, text in finished.items())


@pytest.mark.parametrize("written", ["b.nii.gz", "b.mstkd.json"])
def test_a_kill_inside_a_write_leaves_no_half_case(input_folder, trained_model, tmp_path, external_trainers, written):
    for case in ("a", "b", "c"):
        folder = input_folder(case, [1, 3])
    output = tmp_path / "output"
    # killed at the last moment: all is written, under another name
    code = (
        "import os, sys\n"
        "replace, last = os.replace, sys.argv.pop(1)\n"
        "os.replace = lambda old, new: os.kill(os.getpid(), 9) if new.name == last else replace(old, new)\n"
        "from nnunetv2_mstkd.cli.main import main\n"
        "raise SystemExit(main(sys.argv[1:]))\n"
    )
    arguments = ["-m", str(trained_model()), "-i", str(folder), "-o", str(output), "-device", "cpu"]
    arguments += ["--engine", "torch-float32"]  # of the processes that follow, too
    command = [sys.executable, "-c", code, written, "predict", *arguments]
    killed = subprocess.run(command, env={**os.environ, **external_trainers}, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(output.glob(f".partial_*_{written}"))
    assert not (output / written).exists()
    record = sidecar_of(output, "a")
    assert main(["predict", *arguments, "--continue_prediction"]) == 0
    assert sidecar_of(output, "a") == record
    for case in ("a", "b", "c"):
        assert sidecar_of(output, case)["outputs"].keys() == {f"{case}.nii.gz"}
        labels_of(output, case)
