"""Three stages that overlap."""

import threading
import time
import weakref

import pytest

from nnunetv2_mstkd.inference.pipeline import overlapped

THREADS = [(0, 0), (1, 1), (3, 2)]


def run(items, prepare=lambda n: n, compute=lambda n: n, finish=lambda n: n, preparing=1, finishing=1):
    return list(overlapped(items, prepare, compute, finish, preparing=preparing, finishing=finishing))


@pytest.mark.parametrize(("preparing", "finishing"), THREADS)
def test_every_item_goes_through_all_stages_in_order(preparing, finishing):
    outcomes = run(range(9), lambda n: n + 1, lambda n: n * 10, str, preparing, finishing)
    assert [(item, outcome.result()) for item, outcome in outcomes] == [(n, str(10 * (n + 1))) for n in range(9)]


def test_no_items_give_nothing():
    assert run([]) == []


@pytest.mark.parametrize("stage", ["prepare", "compute", "finish"])
@pytest.mark.parametrize(("preparing", "finishing"), THREADS)
def test_an_error_is_its_items_own(stage, preparing, finishing):
    def fail_at_two(n):
        if n == 2:
            raise ValueError("two")
        return n

    outcomes = dict(run(range(5), **{stage: fail_at_two}, preparing=preparing, finishing=finishing))
    assert str(outcomes[2].exception()) == "two"
    with pytest.raises(ValueError, match="two"):
        outcomes[2].result()
    assert [outcomes[n].result() for n in (0, 1, 3, 4)] == [0, 1, 3, 4]


def test_the_next_item_is_prepared_while_one_is_computed():
    second_is_prepared = threading.Event()

    def prepare(n):
        if n == 1:
            second_is_prepared.set()
        return n

    def compute(n):
        if n == 0:
            assert second_is_prepared.wait(5)
        return n

    assert [outcome.exception() for _, outcome in run(range(2), prepare, compute)] == [None, None]


def test_an_item_is_finished_while_the_next_is_computed():
    first_may_finish = threading.Event()

    def compute(n):
        if n == 1:
            first_may_finish.set()
        return n

    def finish(n):
        return n if n else first_may_finish.wait(5)

    assert run(range(2), compute=compute, finish=finish)[0][1].result() is True


@pytest.mark.parametrize("preparing", [0, 1, 2])
def test_no_more_items_are_held_prepared_than_asked_for(preparing):
    lock, held, most = threading.Lock(), set(), []

    def prepare(n):
        with lock:
            held.add(n)
            most.append(len(held))
        return n

    def compute(n):
        with lock:
            held.discard(n)
        return n

    run(range(12), prepare, compute, preparing=preparing)
    assert max(most) <= max(1, preparing) + 1  # and the one that is on its way to the network


@pytest.mark.parametrize("finishing", [0, 1, 2])
def test_no_more_items_are_held_computed_than_asked_for(finishing):
    """Logits of whole cases: also those that a slow last stage has not come to yet."""

    class Logits:
        pass

    alive, counts = weakref.WeakSet(), []

    def compute(n):
        counts.append(len(alive))
        alive.add(logits := Logits())
        return logits

    def finish(logits):
        time.sleep(0.002)

    for _ in overlapped(range(12), lambda n: n, compute, finish, finishing=finishing):
        pass
    assert max(counts) <= finishing + (finishing > 0)  # a thread lets go of an item shortly after it is done


def test_what_is_computed_is_finished_also_when_the_caller_stops():
    finished = []
    outcomes = overlapped(range(5), lambda n: n, lambda n: n, finished.append, preparing=1, finishing=1)
    next(outcomes)
    outcomes.close()
    assert 0 in finished


def test_the_caller_computes_in_its_own_thread():
    """A GPU's context, and torch's number of threads, belong to the thread."""
    threads = {outcome.result() for _, outcome in run(range(4), compute=lambda n: threading.current_thread())}
    assert threads == {threading.main_thread()}
