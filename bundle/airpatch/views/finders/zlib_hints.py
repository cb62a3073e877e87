"""A zlib stream at a known place (RFC 1950)."""

from __future__ import annotations

from airpatch.views import framings
from airpatch.views.finders.hint import Hint

_HEADER = 2


def zlib_hint(data: memoryview, start: int, name: bytes) -> tuple[Hint, ...]:
    """Return the deflate stream of the zlib stream at `start`, if one can begin there: its header stays as it is."""
    head = bytes(data[start : start + _HEADER])
    if len(head) < _HEADER or head[0] & 0x0F != 8 or head[0] >> 4 > 7 or head[1] & 0x20:
        return ()
    if int.from_bytes(head, "big") % 31:
        return ()
    body = start + _HEADER
    return (Hint(body, framings.ZLIB, body, None, name),)
