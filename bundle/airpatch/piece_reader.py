"""Reads bytes that come in pieces of any size."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator


class PieceReader:
    """Reads pieces of bytes by size, as a file is read. A piece must stay as it is until the next one is asked for."""

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none only at the end."""
        if self.at_end():
            return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def pieces(self, size: int = sys.maxsize) -> Iterator[memoryview]:
        """Yield up to `size` bytes as they come, each piece until the next is asked for; fewer only at the end."""
        while size and not self.at_end():
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        if len(self._rest) < size:
            return b"".join(map(bytes, self.pieces(size)))
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def skip(self, size: int) -> None:
        """Leave out `size` bytes, or all that are left."""
        while size and not self.at_end():
            skipped = min(size, len(self._rest))
            self._rest = self._rest[skipped:]
            size -= skipped

    def at_end(self) -> bool:
        """Return whether no bytes are left."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._rest = memoryview(piece)
        return False
