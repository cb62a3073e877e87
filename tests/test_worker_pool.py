"""No thread of a pool outlives its block, whatever a signal interrupts; no thread is started after its beginning."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from airpatch.errors import TargetError
from airpatch.execution import Cancellation
from airpatch.worker_pool import worker_pool


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt for this test, even if whoever runs the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_all_threads_are_there_from_the_beginning_and_none_after_the_end() -> None:
    before = threading.active_count()
    cancellation = Cancellation()
    with worker_pool(3, cancellation) as pool:
        assert threading.active_count() == before + 3
        assert list(pool.map(str, range(9))) == [str(number) for number in range(9)]
        assert threading.active_count() == before + 3
    assert threading.active_count() == before
    assert not cancellation.is_cancelled


@pytest.mark.usefixtures("ctrl_c_raises")
def test_an_interrupt_of_the_last_wait_leaves_no_task_running() -> None:
    main = threading.get_ident()
    ended: list[int | str] = []

    def interrupt_and_go_on() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        for number in range(300_000):
            ended[:] = [number]
        ended.append("done")

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), worker_pool(2) as pool:
        pool.submit(interrupt_and_go_on)
    assert ended[-1] == "done"
    assert threading.active_count() == before


def test_an_exception_drops_what_has_not_begun() -> None:
    cancellation = Cancellation()
    may_end = threading.Event()
    begun: list[str] = []

    def fail() -> None:
        with worker_pool(1, cancellation) as pool:
            pool.submit(may_end.wait)
            pool.submit(begun.append, "too late").add_done_callback(lambda _cancelled: may_end.set())
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()
    assert not begun
    assert cancellation.is_cancelled


def test_a_system_that_permits_no_more_threads_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def refuse_the_third(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_third)
    with (
        pytest.raises(TargetError, match=r"^4 threads cannot be started \(can't start new thread\): raise the limit"),
        worker_pool(4),
    ):
        raise AssertionError("not reached")
    assert not any(thread.is_alive() for thread in started)
