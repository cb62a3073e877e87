"""Tables of web fonts (WOFF File Format 1.0, 4 and 5)."""

from __future__ import annotations

import struct

from airpatch.views.finders.hint import Hint, without_overlaps
from airpatch.views.finders.zlib_hints import zlib_hint

MAGIC = b"wOFF"
_HEADER = 44
_TABLE = struct.Struct(">4sIIII")
_TABLES_AT = 12


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the zlib streams of tables that are compressed."""
    if len(data) < _HEADER:
        return ()
    (count,) = struct.unpack_from(">H", data, _TABLES_AT)
    hints: list[Hint] = []
    if _HEADER + count * _TABLE.size > len(data):
        return ()
    for number in range(count):
        tag, offset, packed, size, _ = _TABLE.unpack_from(data, _HEADER + number * _TABLE.size)
        if packed < size and offset + packed <= len(data):
            hints += zlib_hint(data[: offset + packed], offset, name + b"!" + tag)
    return without_overlaps(hints, len(data))
