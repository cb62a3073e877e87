"""sha256 of many blobs at once on a pool: each blob's bytes in order, no thread waiting for another."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future

from airpatch.blobs.content import check_digest
from airpatch.model.digest import Digest


class SerialTasks:
    """Runs calls one after the other on `pool`, in the order of `submit`."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._running = False
        self._error: BaseException | None = None

    def submit(self, call: Callable[[], None]) -> Future[None]:
        """Queue `call`; the future has its exception if it raised one. Calls after one that raised do not run."""
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append((call, future))
            start, self._running = not self._running, True
        if start:
            self._pool.submit(self._run)
        return future

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                call, future = self._waiting.popleft()
            try:
                if self._error is not None:
                    raise self._error
                call()
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the future
                self._error = error
                future.set_exception(error)
            else:
                future.set_result(None)


class SerialHash:
    """The sha256 of pieces that come in order, each of which can be handed on once it is hashed."""

    def __init__(self, pool: Executor) -> None:
        self._tasks = SerialTasks(pool)
        self._hash = hashlib.sha256()

    def update(self, piece: memoryview, then: Callable[[memoryview], None] | None = None) -> Future[None]:
        """Hash `piece` later and call `then` with it; it must stay as it is until the future is done."""

        def run() -> None:
            self._hash.update(piece)
            if then is not None:
                then(piece)

        return self._tasks.submit(run)

    def check(self, expected: Digest, then: Callable[[], None] | None = None) -> Future[None]:
        """Compare the sha256 of all pieces later, then call `then`.

        The future raises IntegrityError if it is not `expected`.
        """

        def run() -> None:
            check_digest(self._hash.digest(), expected)
            if then is not None:
                then()

        return self._tasks.submit(run)
