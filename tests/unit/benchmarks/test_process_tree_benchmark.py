"""benchmarks/process_tree: seconds and memory of a command with its processes."""

import os
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

MB = 100
FORKED = f"""
import os, time
shared = bytearray({MB} << 20)
shared[::4096] = b"1" * len(shared[::4096])
if not os.fork():
    time.sleep(0.5)
    os._exit(0)
os.wait()
"""


@pytest.fixture
def measured(benchmark):
    return benchmark("process_tree").measured


def test_pages_of_two_processes_count_once(measured):
    found = measured([sys.executable, "-c", FORKED], os.environ)
    assert MB < found["peak_mb"] < 1.9 * MB
    assert found["seconds"] > 0.5


def test_a_command_that_fails_says_what_it_printed(measured):
    with pytest.raises(SystemExit, match="no such case"):
        measured([sys.executable, "-c", "raise SystemExit('no such case')"], os.environ)
