"""How many cores this process may use."""

import os
import subprocess
import sys

import pytest
from joblib.externals.loky.backend import context

from nnunetv2_mstkd.cores import available_cores


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that makes a machine of eight cores, with the files of a control group."""

    def make(files: dict[str, str]) -> None:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        groups = {f"/sys/fs/cgroup/{name}": tmp_path / name for name in files}
        monkeypatch.setattr(context.os, "cpu_count", lambda: 8)
        monkeypatch.setattr(context.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
        monkeypatch.setattr(context.os.path, "exists", groups.__contains__)
        monkeypatch.setattr(context, "open", lambda name: groups[name].open(), raising=False)
        monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)

    return make


QUOTA, PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "900000 100000\n"}, 8),
        ({QUOTA: "-1\n", PERIOD: "100000\n"}, 8),
        ({QUOTA: "150000\n", PERIOD: "100000\n"}, 2),
    ],
)
def test_a_quota_of_the_control_group_is_respected_and_rounded_up(machine, files, expected):
    machine(files)
    assert available_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_a_process_that_is_bound_to_a_core_has_one():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from nnunetv2_mstkd.cores import available_cores; print(available_cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
