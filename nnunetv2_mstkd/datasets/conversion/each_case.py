"""Work on each case, in several processes (L1')."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from nnunetv2_mstkd.errors import ConversionError

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]  # what is done, how many of them are, of how many


def silent(doing: str, done: int, total: int) -> None:
    """Show no progress."""


def each_case(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, doing: str, progress: Progress = silent
) -> Iterator[Result]:
    """Yield the results in order, as they come.

    Args:
        function: what a spawned process can import.
        items: one per case.
        workers: processes; with one, all is done in this one.
        doing: what this is, as "checked".
        progress: called after each.

    Raises:
        ConversionError: if a process was killed.
    """
    for done, result in enumerate(_map(function, items, min(workers, len(items))), 1):
        progress(doing, done, len(items))
        yield result


def _map(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    if workers < 2:
        yield from map(function, items)
        return
    # spawned, not forked: the caller may have threads
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_leave_interrupts) as pool:
        try:
            yield from pool.map(function, items, chunksize=1)
        except BrokenProcessPool as error:
            raise ConversionError(
                f"A process was killed, as happens for lack of memory; try fewer than {workers} --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)  # after an error nothing else need be done


def _leave_interrupts() -> None:
    """Leave Ctrl-C, which the terminal sends to all processes, to the one that started them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
