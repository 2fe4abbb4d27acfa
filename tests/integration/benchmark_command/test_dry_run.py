"""The commands that `mstkd benchmark --dry-run` prints, run at once."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from benchmark_folder import scores

import nnunetv2_mstkd
from nnunetv2_mstkd.benchmark.results import read_results

pytestmark = pytest.mark.slow


def test_the_commands_of_a_dry_run_do_the_same(cross_validation, output, capsys, external_trainers, tmp_path):
    trainers = ("nnU-Net=nnUNetTrainer", "nnUNetTrainerModalityDropout")
    options = ("--subsets", "T1", "T1ce,FLAIR", "--engine", "torch-float32")
    assert cross_validation(*trainers, options=options) == 0
    expected = scores(output)
    shutil.rmtree(output)
    capsys.readouterr()
    assert cross_validation(*trainers, options=(*options, "--dry-run", "--parts", 2)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert not output.exists()
    assert lines[0] == "# nnU-Net fold 0: 2 cases, 2 left"
    commands = [line for line in lines if not line.startswith("#")]
    assert len(commands) == 3
    assert commands[-1] == f"mstkd report {output}"
    environment = {**os.environ, **external_trainers}
    tested = Path(nnunetv2_mstkd.__file__).parents[1]
    if tested != Path(sysconfig.get_path("purelib")):  # first there, it would hide modules of Python's own
        environment["PYTHONPATH"] = str(tested)
    start = f"{sys.executable} -c 'from nnunetv2_mstkd.cli.main import main; raise SystemExit(main())'"
    processes = [
        subprocess.Popen(command.replace("mstkd", start, 1), shell=True, env=environment, cwd=tmp_path)
        for command in commands[:-1]
    ]  # at once
    assert [process.wait(120) for process in processes] == [0, 0]
    assert scores(output) == expected
    assert read_results(output).titles == ("nnU-Net", "ModalityDropout")
