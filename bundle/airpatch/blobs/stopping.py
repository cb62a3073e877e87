"""A content whose reading ends soon when others have failed."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

from airpatch.blobs.content import BlobReader, Content
from airpatch.model.digest import Digest


class Stoppable:
    """The blobs of `content`; when `stopped` is set, all readers raise CancelledError."""

    def __init__(self, content: Content, stopped: threading.Event) -> None:
        self._content = content
        self._stopped = stopped

    def size(self, digest: Digest) -> int | None:
        return self._content.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        return _Reader(self._content.open(digest, size), self._stopped)


class _Reader:
    def __init__(self, reader: BlobReader, stopped: threading.Event) -> None:
        self._reader = reader
        self._stopped = stopped

    def read_into(self, view: memoryview, offset: int) -> None:
        if self._stopped.is_set():
            raise CancelledError
        self._reader.read_into(view, offset)

    def close(self) -> None:
        self._reader.close()
