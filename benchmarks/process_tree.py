"""Wall seconds and peak memory of a command with all its processes; for Linux."""

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_INTERVAL_S = 0.05
_GROWTH = 1.01  # of the resident memory, before its shared pages are counted again: that walks all page tables


def measured(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Run a command; return its seconds, and the peak memory of all its processes together, in MB.

    A page that n processes share counts 1/n for each (PSS of smaps_rollup). It is read where the resident memory, which
    counts such a page n times and is cheap to read, has a new peak.
    """
    started, resident, peak = time.perf_counter(), 0.0, 0.0
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        printed: list[bytes] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda stream: printed.append(stream.read()), args=(process.stdout,))
        reader.start()
        while process.poll() is None:
            processes = list(family(process.pid))
            if (now := sum(_mb(pid, "status", "VmRSS:") for pid in processes)) > _GROWTH * resident:
                resident = now
                peak = max(peak, sum(_mb(pid, "smaps_rollup", "Pss:") for pid in processes))
            time.sleep(_INTERVAL_S)
        seconds = time.perf_counter() - started
        reader.join()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{b''.join(printed).decode(errors='replace')[-3000:]}")
    return {"seconds": seconds, "peak_mb": peak}


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    try:
        children = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has just ended
        return
    for child in (int(text) for of_task in children for text in of_task):
        yield from family(child)


def _mb(pid: int, file: str, key: str) -> float:
    """Return a value of a file of /proc, 0 once the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(key)), 0.0)
