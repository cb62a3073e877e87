"""The streams that a layout of members or frames takes bytes from: its own, the content, the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airpatch.errors import FormatError

_PIECE = 1 << 20

Read = Callable[[int], bytes]
"""Returns up to so many bytes, none at the end."""


def take(read: Read, size: int, may_end: bool = False) -> Iterator[bytes]:
    """Yield `size` bytes; none, if `may_end` and there are none. Raises FormatError if there are fewer."""
    whole = size
    while size:
        piece = read(min(size, _PIECE))
        if not piece:
            if may_end and size == whole:
                return
            raise FormatError("a layout that asks for more bytes than there are")
        size -= len(piece)
        yield piece


def exactly(read: Read, size: int, may_end: bool = False) -> bytes:
    """Return what `take` yields."""
    return b"".join(take(read, size, may_end))
