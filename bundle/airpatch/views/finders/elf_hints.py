"""Compressed sections of ELF files: SHF_COMPRESSED (gABI, Section Compression), by zlib or zstd, and the older
`.zdebug_`.
"""

from __future__ import annotations

import struct
from itertools import islice

from airpatch.views.finders.hint import Hint, without_overlaps
from airpatch.views.finders.zlib_hints import zlib_hint
from airpatch.views.finders.zstd_hints import zstd_hint

_COMPRESSED = 0x800  # SHF_COMPRESSED
_ZLIB, _ZSTD = 1, 2  # ELFCOMPRESS_ZLIB, ELFCOMPRESS_ZSTD
_MAX_SECTIONS = 1 << 12
_MAX_NAMES = 1 << 20


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the streams of sections, under the names that these have if they are not compressed."""
    if len(data) < 64 or data[5] not in (1, 2) or data[4] not in (1, 2):
        return ()
    order = "<" if data[5] == 1 else ">"
    is_64 = data[4] == 2
    if is_64:
        (table,) = struct.unpack_from(order + "Q", data, 40)
        size, count, names = struct.unpack_from(order + "HHH", data, 58)
        row, chdr = order + "IIQQQQ", 24
    else:
        (table,) = struct.unpack_from(order + "I", data, 32)
        size, count, names = struct.unpack_from(order + "HHH", data, 46)
        row, chdr = order + "IIIIII", 12
    if size < struct.calcsize(row) or table + size * count > len(data) or names >= count or count > _MAX_SECTIONS:
        return ()
    rows = [struct.unpack_from(row, data, table + i * size) for i in range(count)]
    letters = bytes(data[rows[names][4] : rows[names][4] + min(rows[names][5], _MAX_NAMES)])
    hints: list[Hint] = []
    for text, _, flags, _, offset, length in islice(rows, 1, None):
        if offset + length > len(data) or length < chdr + 2:
            continue
        section = letters[text : letters.find(b"\0", text)]
        kind = struct.unpack_from(order + "I", data, offset)[0] if flags & _COMPRESSED else 0
        if kind == _ZLIB:
            hints += zlib_hint(data[: offset + length], offset + chdr, name + b"!" + section)
        elif kind == _ZSTD:
            hints += zstd_hint(data[: offset + length], offset + chdr, name + b"!" + section)
        elif section.startswith(b".zdebug_") and bytes(data[offset : offset + 4]) == b"ZLIB":
            label = section.replace(b".z", b".", 1)
            hints += zlib_hint(data[: offset + length], offset + 12, name + b"!" + label)
    return without_overlaps(hints, len(data))
