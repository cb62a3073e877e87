"""A call that waits in native code is given up with the work that needs it; others are as if they were called."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future

import pytest

from airpatch.execution import Cancellation
from airpatch.store.native_calls import Pieces, answer_of
from airpatch.worker_pool import worker_pool


def test_answers_and_errors_come_back() -> None:
    def divide() -> float:
        return 1 / 0

    assert answer_of(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        answer_of(divide)
    with worker_pool(2, Cancellation()) as pool:
        assert list(pool.map(answer_of, [lambda: 1, lambda: 2])) == [1, 2]


def test_a_call_is_given_up_when_its_pool_is_left() -> None:
    silent, called = threading.Event(), threading.Event()

    def wait() -> None:
        called.set()
        silent.wait()

    def leave() -> None:
        with worker_pool(1, Cancellation()) as pool:
            waiting.append(pool.submit(answer_of, wait))
            called.wait()
            raise KeyboardInterrupt

    waiting: list[Future[None]] = []
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert isinstance(waiting[0].exception(), CancelledError)
    silent.set()


def test_what_is_given_up_gets_no_more_pieces() -> None:
    pieces = Pieces([b"1", b"2"])
    rest = iter(pieces)
    assert next(rest) == b"1"
    pieces.stop()
    with pytest.raises(CancelledError):
        next(rest)
    last = Pieces([b"1"])
    rest = iter(last)
    assert (next(rest), list(Pieces([b"1", b"2"]))) == (b"1", [b"1", b"2"])
    last.stop()
    with pytest.raises(CancelledError):
        next(rest)
