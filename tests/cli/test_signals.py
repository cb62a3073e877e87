"""Signals reach the main thread wherever it waits. What they do to a command is in test_process.py."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from airpatch_cli.signals import Terminated, handle_signals

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGURG)


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """As a process that ignores nothing, whatever whoever runs the tests ignores."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descriptor = signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(descriptor)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_signal_that_another_thread_gets_interrupts_the_wait_for_a_lock(
    number: signal.Signals, expected: type[BaseException]
) -> None:
    """As one that arrives in the moment before the wait begins: in both cases the system call goes on."""
    handled, finished = threading.Event(), threading.Event()
    was_in_time = []

    def get_signal() -> None:
        signal.pthread_kill(threading.get_ident(), number)
        was_in_time.append(handled.wait(60))
        finished.set()

    handle_signals()
    thread = threading.Thread(target=get_signal)

    def wait() -> None:
        thread.start()
        finished.wait()

    with pytest.raises(expected):
        wait()
    handled.set()
    thread.join()
    assert was_in_time == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_what_the_caller_ignores_stays_ignored(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    handle_signals()
    signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_signal_that_comes_twice_interrupts_once(
    number: signal.Signals, expected: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is sent to a process and to its group; what one asks for once more, later, is heeded."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as the entry point leaves it
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    handle_signals()
    with pytest.raises(expected):
        signal.raise_signal(number)
    now = 0.1
    signal.raise_signal(number)
    now = 2.0
    with pytest.raises(expected):
        signal.raise_signal(number)


def test_each_process_has_one_thread_for_it() -> None:
    handle_signals()
    threads = threading.active_count()
    handle_signals()
    assert threading.active_count() == threads
