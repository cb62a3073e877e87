"""Where `pigz --rsyncable` cuts its input (`parallel_compress` in pigz.c, Mark Adler, zlib licence)."""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.encoders.blockwise import Cut, Piece
from airpatch.encoders.pigz_hash import RollingHash
from airpatch.encoders.zlib import PIGZ_BLOCK


class RsyncableCuts:
    """Pieces that end where a rolling hash says, and sections that end with the last piece PIGZ_BLOCK has room for.

    A section in which no piece ends has PIGZ_BLOCK bytes. What follows the end of a piece is held back
    until it is known to which section it belongs.
    """

    def __init__(self) -> None:
        self._hash = RollingHash()
        self._at = 0  # bytes hashed
        self._begin = 0  # of the section
        self._limit = PIGZ_BLOCK  # it ends there at the latest
        self._cut = 0  # where its last piece so far ends, or its begin
        self._held = bytearray()  # what follows that, unless it is the begin

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take uncompressed data; yield the pieces it completes."""
        view = memoryview(data)
        while view:
            if self._at == self._limit:  # and more follows
                yield b"", Cut.SECTION
                self._begin = self._cut = self._cut if self._cut > self._begin else self._at
                self._limit = self._begin + PIGZ_BLOCK
                yield from self._release()
            part = view[: self._limit - self._at]
            taken = self._hash.find_cut(part)
            part = part[: taken or len(part)]
            view = view[len(part) :]
            self._at += len(part)
            if taken:
                yield from self._release()
                self._cut = self._at
                yield part, Cut.FLUSH
            elif self._cut > self._begin:
                self._held += part
            else:
                yield part, Cut.NONE

    def finish(self) -> Iterator[Piece]:
        """Yield what was held back.

        pigz reads PIGZ_BLOCK bytes at a time, and one time ahead. It is a section of its own only if the section that
        it follows began before the last but one of these reads ended.
        """
        if self._held and self._at > (self._begin // PIGZ_BLOCK + 1) * PIGZ_BLOCK:
            yield b"", Cut.SECTION
        yield from self._release()

    def _release(self) -> Iterator[Piece]:
        if self._held:
            yield bytes(self._held), Cut.NONE
            self._held.clear()
