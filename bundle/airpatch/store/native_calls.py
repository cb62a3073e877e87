"""Calls into a library that waits in native code, where no signal reaches Python: given up when work is cancelled.

The call itself goes on, in a thread of its own that ends with the process, and what comes of it is dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

from airpatch.worker_pool import cancellation_of_thread

_Answer = TypeVar("_Answer")


def answer_of(call: Callable[[], _Answer]) -> _Answer:
    """Return what `call` returns, or raise what it raises.

    Raises CancelledError as soon as the work of the pool is cancelled to which this thread belongs; in the main thread,
    the exception of a signal handler ends the wait.
    """
    future: Future[_Answer] = Future()

    def run() -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            try:
                answer = call()
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(answer)

    threading.Thread(target=run, name="native call", daemon=True).start()
    cancellation = cancellation_of_thread()
    if cancellation is None:
        return future.result()

    def give_up() -> None:
        future.cancel()

    with cancellation.calling(give_up):
        return future.result()


class Pieces:
    """Gives `pieces` to a call until it is given up: what they are read from may be closed then.

    Whoever gives a call up says so by `stop`; the call then meets a CancelledError, and completes nothing.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._is_stopped = False

    def stop(self) -> None:
        """Let the call have no more pieces."""
        self._is_stopped = True

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._check()
            yield piece
        self._check()

    def _check(self) -> None:
        if self._is_stopped:
            raise CancelledError
