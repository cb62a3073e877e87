"""Calls in order on a pool, and digests of what comes in pieces."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from airpatch.blobs.hashing import SerialHash, SerialTasks
from airpatch.errors import IntegrityError, TargetError
from airpatch.model.digest import Digest


def test_calls_run_one_after_the_other_in_order() -> None:
    order: list[int] = []
    running = threading.Lock()

    def call(number: int) -> None:
        assert running.acquire(blocking=False), "two at once"
        order.append(number)
        running.release()

    with ThreadPoolExecutor(8) as pool:
        tasks = SerialTasks(pool)
        futures = [tasks.submit(partial(call, number)) for number in range(1000)]
        for future in futures:
            future.result()
    assert order == list(range(1000))


def test_nothing_runs_behind_a_call_that_raised() -> None:
    def fail() -> None:
        raise TargetError("no space")

    with ThreadPoolExecutor(2) as pool:
        tasks = SerialTasks(pool)
        ran: list[int] = []
        futures = [tasks.submit(lambda: ran.append(1)), tasks.submit(fail), tasks.submit(lambda: ran.append(2))]
        futures[0].result()
        for future in futures[1:]:
            with pytest.raises(TargetError, match="no space"):
                future.result()
    assert ran == [1]


def test_the_digest_of_pieces() -> None:
    seen: list[bytes] = []
    data = bytes(range(256)) * 40
    with ThreadPoolExecutor(4) as pool:
        serial = SerialHash(pool)
        for start in range(0, len(data), 1000):
            serial.update(memoryview(data)[start : start + 1000], lambda piece: seen.append(bytes(piece)))
        done: list[bool] = []
        serial.check(Digest.of(data), lambda: done.append(True)).result()
        wrong = SerialHash(pool)
        wrong.update(memoryview(b"x"))
        with pytest.raises(IntegrityError):
            wrong.check(Digest.of(b"y"), lambda: done.append(False)).result()
    assert b"".join(seen) == data
    assert done == [True]
