"""Inflates packed streams at known places, within the bounds of views. For writers only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from airpatch.deflate.decompressor import DecompressionError
from airpatch.errors import FormatError
from airpatch.views.expand import largest_view
from airpatch.views.framings import stream_decompressor

FIRST_PIECE, _PIECE = 4 << 10, 256 << 10
"""Bytes that are read at once, twice as many each time: most of what is no stream is told by the first ones."""


def inflate(data: memoryview, body: int, framing: str) -> Iterator[tuple[bytes, int]]:
    """Yield the content of the packed stream at `body`, in pieces, and with the last piece where it ends.

    Raises FormatError if it is invalid, or expands too far.
    """
    inflater = stream_decompressor(framing)
    at = body
    total = 0
    size = FIRST_PIECE
    while not inflater.eof:
        packed = inflater.unconsumed_tail
        if not packed:
            packed = bytes(data[at : at + size])
            at += len(packed)
            size = min(2 * size, _PIECE)
        try:
            out = inflater.decompress(packed, _PIECE)
        except DecompressionError:
            raise FormatError("not a packed stream") from None
        total += len(out)
        end = at - len(inflater.unused_data)
        if total > largest_view(end - body):
            raise FormatError("a packed stream that expands too far")
        if not out and not packed and not inflater.eof:
            raise FormatError("a packed stream that is cut short")
        yield out, end


def stream_end(data: memoryview, body: int, framing: str) -> int | None:
    """Return where the stream that begins at `body` ends; None if it is invalid, or expands too far."""
    try:
        ((_, end),) = deque(inflate(data, body, framing), maxlen=1)
    except FormatError:
        return None
    return end
