"""A content whose reading ends soon when others have failed."""

from __future__ import annotations

from concurrent.futures import CancelledError

from airpatch.blobs.content import BlobReader, Content
from airpatch.execution import Cancellation
from airpatch.model.digest import Digest


class Stoppable:
    """The blobs of `content`, whose readers raise CancelledError when that is asked for by `cancellation`."""

    def __init__(self, content: Content, cancellation: Cancellation) -> None:
        self._content = content
        self._cancellation = cancellation

    def size(self, digest: Digest) -> int | None:
        return self._content.size(digest)

    def open(self, digest: Digest, size: int) -> BlobReader:
        return _StoppableReader(self._content.open(digest, size), self._cancellation)


class _StoppableReader:
    def __init__(self, reader: BlobReader, cancellation: Cancellation) -> None:
        self._reader = reader
        self._cancellation = cancellation

    def read_into(self, view: memoryview, offset: int) -> None:
        if self._cancellation.is_cancelled:
            raise CancelledError
        self._reader.read_into(view, offset)

    def close(self) -> None:
        self._reader.close()
