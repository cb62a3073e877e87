"""Where the members of a tar lie: hints for pairing files, never trusted.

Reads what tars in image layers hold (POSIX.1-2001 pax, ustar, GNU long names and base-256 sizes) and stops
at the first block that is no header. Wrong hints cost size, not correctness.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 512
MAX_EXTENDED = 1 << 17  # bytes of a long name or pax header that are looked at
_DECIMAL = re.compile(rb"[0-9]{1,19}")  # longer numbers are no sizes, and take int() long
_EXTENDED, _EMPTY = b"Lxg", b"12345"
"""Kinds of headers that are about the next one, and of members without content: links, devices, folders, FIFOs."""
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
    headers = MemberHeaders()
    position = start = 0
    while (header := headers.read(bytes(data[position : position + BLOCK]))) is not None:
        path, size, extended = header
        content = position + BLOCK
        if size > len(data) - content:
            return
        position = min(content + padded(size), len(data))
        if extended:
            headers.extend(extended, bytes(data[content : content + min(size, MAX_EXTENDED)]))
        else:
            yield TarMember(path, start, content, size, position)
            start = position


def padded(size: int) -> int:
    """Return the bytes of content of `size` bytes, filled up to whole blocks."""
    return (size + BLOCK - 1) // BLOCK * BLOCK


class MemberHeaders:
    """Reads the headers of a tar, one after the other: extended ones tell path and size of the member behind them."""

    def __init__(self) -> None:
        self._path: bytes | None = None
        self._size: int | None = None

    def read(self, block: bytes) -> tuple[bytes, int, bytes] | None:
        """Return what the header in a block says: the path, how many bytes of content follow, and the kind of an
        extended header, whose content `extend` takes; None if there is no header.
        """
        if block[257:262] != b"ustar" or len(block) < BLOCK:
            return None
        kind = block[156:157]
        size = self._size if self._size is not None else _number(block[124:136])
        if size is None or size < 0:
            return None
        if kind in _EXTENDED:
            return b"", size, kind
        name = self._path
        if not name:
            name = block[:100].split(b"\0", 1)[0]
            if block[345] and not block[262]:
                name = block[345:500].split(b"\0", 1)[0] + b"/" + name
        self._path = self._size = None
        return name, 0 if kind in _EMPTY else size, b""

    def extend(self, kind: bytes, body: bytes) -> None:
        """Take the content of an extended header, or the first `MAX_EXTENDED` bytes of it."""
        if kind == b"L":
            self._path = body.rstrip(b"\0")
        elif kind == b"x":
            fields = _pax(body)
            self._path = fields.get(b"path", self._path)
            if _DECIMAL.fullmatch(fields.get(b"size", b"")):
                self._size = int(fields[b"size"])


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
