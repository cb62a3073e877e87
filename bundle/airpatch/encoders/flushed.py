"""Encoders that were flushed when all uncompressed data was there, before they ended the stream.

So does RubyGems, whose writer of tar flushes what it writes to, and so do Python's `gzip.open` in text mode, Java's
GZIPOutputStream with `syncFlush`, and programs that call both functions (zlib: Z_SYNC_FLUSH or Z_FULL_FLUSH, then
Z_FINISH; Go: `Flush`, then `Close`).
"""

from __future__ import annotations

from typing import Protocol

FLUSHED = "-flushed"
"""What their names end with."""
_EMPTY_STORED = b"\0\0\xff\xff"
"""What an empty stored block ends with."""
_ENDS = (_EMPTY_STORED + b"\3\0", _EMPTY_STORED + b"\1" + _EMPTY_STORED)
"""What follows it, of zlib and klauspost/compress, and of Go up to 1.26."""
_TRAILER = 8
"""Bytes of a gzip member behind its stream."""
FILE_END = max(map(len, _ENDS)) + _TRAILER
"""Bytes at the end of a gzip file by which it is told whether its stream was flushed."""


class Flushable(Protocol):
    """A deflate stream under construction that may be flushed before its end."""

    @property
    def steps(self) -> int:
        """The steps that its search has taken."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        ...

    def finish(self, flushed: bool) -> bytes:
        """Return the last compressed bytes, `flushed` after an empty stored block, behind which there is no data."""
        ...


class FlushedDeflater:
    """One that is flushed before its end. Output does not depend on how the uncompressed data is cut into pieces."""

    def __init__(self, deflater: Flushable) -> None:
        self._deflater = deflater

    @property
    def steps(self) -> int:
        """The steps that the search has taken."""
        return self._deflater.steps

    def feed(self, data: bytes) -> bytes:
        """Take uncompressed data; return compressed bytes, maybe none."""
        return self._deflater.feed(data)

    def finish(self) -> bytes:
        """Return the last compressed bytes."""
        return self._deflater.finish(flushed=True)


def ends_flushed(stream: bytes | memoryview) -> bool:
    """Return whether a deflate stream ends as these encoders end theirs."""
    return bytes(stream[-FILE_END:]).endswith(_ENDS)


def file_ends_flushed(end: bytes) -> bool:
    """Return the same of a gzip file that ends with `end`, `FILE_END` bytes or all of it."""
    return ends_flushed(end[:-_TRAILER])
