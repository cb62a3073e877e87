"""The sha256 of an input as a whole, while it is being read."""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor, Future
from functools import partial

from airpatch.blobs.hashing import SerialTasks
from airpatch.format import zstd
from airpatch.model.digest import Digest


class InputHash:
    """The sha256 of an input, if it `is_wanted`: at once, or on a pool while the input is read on."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._hash = hashlib.sha256() if is_wanted else None
        self._tasks: SerialTasks | None = None
        self._last: Future[None] | None = None

    @property
    def is_wanted(self) -> bool:
        return self._hash is not None

    def run_on(self, pool: Executor) -> None:
        """Have what comes from here on hashed on `pool`."""
        if self._hash is not None:
            self._tasks = SerialTasks(pool)

    def update(self, data: zstd.Buffer) -> None:
        """Hash the next bytes of the input. On a pool, `data` must stay as it is until `last` is done."""
        if self._tasks is not None and self._hash is not None:
            self._last = self._tasks.submit(partial(self._hash.update, data))
        elif self._hash is not None:
            self._hash.update(data)

    @property
    def last(self) -> Future[None] | None:
        """Done when all bytes so far are hashed; None if they are."""
        return self._last

    def settle(self) -> None:
        """Wait until all bytes so far are hashed."""
        if self._last is not None:
            self._last.result()

    def digest(self) -> Digest | None:
        """Return the sha256 of all bytes so far; None if it is not wanted. Waits until they are hashed."""
        self.settle()
        return None if self._hash is None else Digest(self._hash.digest())
