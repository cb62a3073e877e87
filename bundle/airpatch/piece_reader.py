"""Reads bytes that come in pieces of any size."""

from __future__ import annotations

from collections.abc import Iterable


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

    def at_end(self) -> bool:
        """Return whether no bytes are left."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._rest = memoryview(piece)
        return False
