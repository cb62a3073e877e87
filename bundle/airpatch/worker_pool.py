"""Threads that never outlive the block that uses them, even if a signal's exception interrupts it.

`ThreadPoolExecutor` starts a thread when it has a task for one, and joins those that it knows. The exception of a
signal handler (KeyboardInterrupt) may reach the main thread while it starts one, which the pool then does not know, or
while it joins one, which `Thread.join` then takes for ended (bpo-45274): either would go on while the main thread
unwinds and closes the files that it is using.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Barrier

from airpatch.errors import TargetError
from airpatch.execution import Cancellation

_of_thread = threading.local()


@contextmanager
def worker_pool(threads: int, cancellation: Cancellation | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of `threads` threads, all started, so that no later `submit` starts one.

    All tasks have ended when the block is left. If it is left by an exception, `cancellation` is cancelled, and tasks
    that have not begun are dropped. Raises TargetError if the system does not permit so many threads.
    """
    pool = ThreadPoolExecutor(threads, initializer=_belong, initargs=(cancellation,))
    try:
        _hold_all(pool, threads)
        yield pool
        _hold_all(pool, threads)  # so that what is interrupted is this wait, and not a join of a thread at work
    except BaseException:
        if cancellation is not None:
            cancellation.cancel()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def cancellation_of_thread() -> Cancellation | None:
    """Return what cancels the work of the pool to which this thread belongs; None if nothing does."""
    found: Cancellation | None = getattr(_of_thread, "cancellation", None)
    return found


def _belong(cancellation: Cancellation | None) -> None:
    _of_thread.cancellation = cancellation


def _hold_all(pool: ThreadPoolExecutor, threads: int) -> None:
    """Have each thread hold one task until all of them do: they are there then, and all earlier tasks have ended."""
    barrier = Barrier(threads)
    try:
        for held in wait([pool.submit(barrier.wait) for _ in range(threads)]).done:
            held.result()
    except RuntimeError as error:
        barrier.abort()
        raise TargetError(f"{threads} threads cannot be started ({error}): raise the limit or use fewer") from None
    except BaseException:
        barrier.abort()
        raise
