"""Wall seconds and peak memory of a command with all its processes; for Linux."""

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_INTERVAL_S = 0.25  # reading PSS walks all page tables, some ten milliseconds for as many gigabytes


def measured(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Run a command; return its seconds, and the peak memory of all its processes together, in MB.

    A page that n processes share counts 1/n for each (PSS of smaps_rollup). A peak of less than the interval is missed.
    """
    started, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        printed: list[bytes] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda stream: printed.append(stream.read()), args=(process.stdout,))
        reader.start()
        while process.poll() is None:
            peak = max(peak, sum(map(_proportional_mb, family(process.pid))))
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


def _proportional_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
