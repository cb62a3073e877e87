"""Where the members of a tar lie: hints for pairing files, never trusted.

Reads what tars in image layers hold (POSIX.1-2001 pax, ustar, GNU long names and base-256 sizes) and stops
at the first block that is no header. Wrong hints cost size, not correctness.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 512
_MAX_EXTENDED = 1 << 17  # bytes of a long name or pax header that are looked at
_DECIMAL = re.compile(rb"[0-9]{1,19}")  # longer numbers are no sizes, and take int() long
_RECORD = re.compile(rb"([0-9]{1,19}) ([^=\n]{1,1024})=")  # "length key=value\n"


class TarMember(NamedTuple):
    """One member: its header blocks begin at `start`, its content at `content`, padding, or the data, ends at `end`.

    A tuple, which takes less time to make than a frozen dataclass: layers have many.
    """

    path: bytes
    start: int
    content: int
    size: int
    end: int


def members(data: memoryview) -> Iterator[TarMember]:
    """Yield the members of the tar `data` in their order; nothing if it is no tar."""
    position = start = 0
    path: bytes | None = None
    size: int | None = None
    while position + BLOCK <= len(data):
        header = bytes(data[position : position + BLOCK])
        if header[257:262] != b"ustar":
            return
        length = size if size is not None else _number(header[124:136])
        kind = header[156:157]
        content = position + BLOCK
        if length is None or not 0 <= length <= len(data) - content:
            return
        if kind in b"12345":  # links, devices, folders, FIFOs have no content
            length = 0
        end = min(content + -(-length // BLOCK) * BLOCK, len(data))
        if kind in b"Lxg":
            body = data[content : content + min(length, _MAX_EXTENDED)]
            if kind == b"L":
                path = bytes(body).rstrip(b"\0")
            elif kind == b"x":
                fields = _pax(bytes(body))
                path = fields.get(b"path", path)
                size = int(fields[b"size"]) if _DECIMAL.fullmatch(fields.get(b"size", b"")) else size
            position = end
            continue
        name = header[:100].split(b"\0", 1)[0]
        prefix = header[345:500].split(b"\0", 1)[0] if header[262:263] == b"\0" else b""
        yield TarMember(path or (prefix + b"/" + name if prefix else name), start, content, length, end)
        position = start = end
        path = size = None


def _number(field: bytes) -> int | None:
    if field[:1] >= b"\x80":  # GNU base-256
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return None


def _pax(body: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    at = 0
    while record := _RECORD.match(body, at):
        end = at + int(record[1])
        if end > len(body) or end <= record.end():
            break
        fields[record[2]] = body[record.end() : end - 1]
        at = end
    return fields
