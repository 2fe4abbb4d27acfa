"""Cases through three stages that overlap: prepare, compute, finish (L3; no nnU-Net in it)."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Computed = TypeVar("Computed")
Result = TypeVar("Result")


def overlapped(
    items: Iterable[Item],
    prepare: Callable[[Item], Prepared],
    compute: Callable[[Prepared], Computed],
    finish: Callable[[Computed], Result],
    *,
    preparing: int = 1,
    finishing: int = 1,
) -> Generator[tuple[Item, "Future[Result]"], None, None]:
    """Yield each item, in order, with what became of it: a result, or the error of the stage that it failed in.

    Threads, not processes: reading, resampling and writing spend their time outside the interpreter, nothing is copied
    from one process to another, and a killed run leaves no process behind. `compute` runs in the caller's thread.
    Close the generator to stop early: what is computed is finished first.

    Args:
        items: what to process.
        prepare: first stage.
        compute: second stage, of one item at a time.
        finish: third stage.
        preparing: threads, and items that are held prepared while another is computed; 0: in the caller's thread.
        finishing: threads, and items that wait to be finished; 0: in the caller's thread.
    """
    source, ahead, behind = iter(items), deque[tuple[Item, Future]](), deque[tuple[Item, Future]]()
    first, last = _executor(preparing), _executor(finishing)
    try:
        while _refill(ahead, source, first, prepare, max(1, preparing)):
            item, future = ahead.popleft()
            prepared = _settled(future.result)
            _refill(ahead, source, first, prepare, preparing)
            computed = prepared if prepared.exception() else _settled(partial(compute, prepared.result()))
            behind.append((item, _finish(last, finish, computed)))
            del item, future, prepared, computed  # whole cases: not to be held while the next one is computed
            while behind and (len(behind) > finishing or behind[0][1].done()):
                yield _taken(behind)
        while behind:
            yield _taken(behind)
    finally:
        first.shutdown(cancel_futures=True)
        last.shutdown()  # what is computed is written, also when the caller stops


def _refill(ahead: deque, source: Iterator[Item], pool: Executor, prepare: Callable, count: int) -> bool:
    """Start the preparation of further items until `count` are waiting; return whether any is."""
    while len(ahead) < count:
        for item in source:
            ahead.append((item, pool.submit(prepare, item)))
            break
        else:
            break
    return bool(ahead)


def _finish(pool: Executor, finish: Callable[[Any], Result], computed: "Future[Any]") -> "Future[Result]":
    return computed if computed.exception() is not None else pool.submit(finish, computed.result())


def _taken(waiting: deque[tuple[Item, Future]]) -> tuple[Item, Future]:
    item, future = waiting.popleft()
    future.exception()  # waits
    return item, future


def _settled(call: Callable[[], Any]) -> Future:
    """Return a future that holds what the call returned or raised."""
    future: Future = Future()
    try:
        future.set_result(call())
    except Exception as error:
        future.set_exception(error)
    return future


def _executor(threads: int) -> Executor:
    return ThreadPoolExecutor(threads) if threads else _Inline()


class _Inline(Executor):
    """Runs what is submitted at once, in the caller's thread."""

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        return _settled(partial(fn, *args, **kwargs))
