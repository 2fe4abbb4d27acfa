"""What tests of commands that handle signals share."""

import signal

import pytest


@pytest.fixture
def own_signal_handlers():
    """The tests' process gets its own handlers back, whatever happens."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, where the tests were started by it, has it ignored
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
