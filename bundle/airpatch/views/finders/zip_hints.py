"""Entries of zip archives and their family: jar, war, whl, egg, nupkg, apk, docx (APPNOTE 6.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airpatch.views import framings
from airpatch.views.finders.hint import Hint, without_overlaps

_END = struct.Struct("<4sHHHHIIH")  # end of central directory: 4.3.16
_END_MAGIC = b"PK\x05\x06"
_END_64 = struct.Struct("<4sQHHIIQQQQ")  # zip64: 4.3.14
_LOCATOR = struct.Struct("<4sIQI")  # zip64: 4.3.15
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_MAX_COMMENT = 0xFFFF
_MAX_ENTRIES = 1 << 20
_DEFLATED, _STORED = 8, 0
_STREAMED_FLAG = 0x08
_NONE = 0xFFFFFFFF

Nested = Callable[[memoryview, bytes], tuple[Hint, ...]]
"""Finds hints in bytes, given their name."""


@dataclass(frozen=True, slots=True)
class _Central:
    """An entry of the central directory, where it ends at `end`."""

    name: bytes
    method: int
    flags: int
    fields: bytes
    packed: int
    offset: int
    end: int


def find(data: memoryview, name: bytes, nested: Nested) -> tuple[Hint, ...]:
    """Return the archive that ends `data`, wherever it begins; in its stored entries what `nested` finds."""
    found = _directory(data)
    if found is None:
        return ()
    start, directory, size = found
    archive = data[start:]
    hints: list[Hint] = []
    whole = 0
    for entry in _entries(archive[directory : directory + size]):
        hints += _entry(archive, entry, name, nested)
        whole = entry.end
    if whole:
        hints.append(Hint(directory, framings.DIRECTORY, directory, whole, name + b"!"))
    return (Hint(start, framings.ARCHIVE, start, len(archive), name, without_overlaps(hints, len(archive))),)


def _directory(data: memoryview) -> tuple[int, int, int] | None:
    """Return where the archive begins, where its directory does, counted from there, and the directory's size."""
    tail = bytes(data[-_END.size - _MAX_COMMENT :])
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END.size:
        return None
    *_, size, offset, _ = _END.unpack_from(tail, at)
    end = len(data) - len(tail) + at
    locator = bytes(data[max(end - _LOCATOR.size, 0) : end])
    if locator.startswith(b"PK\x06\x07") and len(locator) == _LOCATOR.size and _NONE in (size, offset):
        where = end - _LOCATOR.size - _END_64.size
        record = bytes(data[max(where, 0) : end - _LOCATOR.size])
        if len(record) < _END_64.size or not record.startswith(b"PK\x06\x06"):
            return None
        *_, size, offset = _END_64.unpack(record)
        end = where
    start = end - size - offset
    return (start, offset, size) if start >= 0 else None


def _entries(directory: memoryview) -> Iterator[_Central]:
    at = 0
    for _ in range(_MAX_ENTRIES):
        if at + _CENTRAL.size > len(directory) or directory[at : at + 4] != framings.CENTRAL_MAGIC:
            return
        head = _CENTRAL.unpack_from(directory, at)
        _, _, _, flags, method, _, _, _, packed, size, name, extra, comment, _, _, _, offset = head
        fields = bytes(directory[at + 16 : at + 28])
        at += _CENTRAL.size
        end = at + name + extra + comment
        if end > len(directory):
            return
        if _NONE in (packed, size, offset):
            packed, offset = _zip64(bytes(directory[at + name : at + name + extra]), packed, size, offset)
        yield _Central(bytes(directory[at : at + name]), method, flags, fields, packed, offset, end)
        at = end


def _zip64(extra: bytes, packed: int, size: int, offset: int) -> tuple[int, int]:
    """Return packed size and offset, from the extra field where it has them (4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{min(length, len(extra) - at - 4) // 8}Q", extra, at + 4))
            # Those that the header has no room for, in this order.
            _, packed, offset = (next(values, _NONE) if old == _NONE else old for old in (size, packed, offset))
            break
        at += 4 + length
    return packed, offset


def _entry(archive: memoryview, entry: _Central, name: bytes, nested: Nested) -> Iterator[Hint]:
    header = bytes(archive[entry.offset : entry.offset + framings.LOCAL_HEADER.size])
    if len(header) < framings.LOCAL_HEADER.size or not header.startswith(framings.LOCAL_MAGIC):
        return
    body = entry.offset + framings.LOCAL_HEADER.size + sum(framings.LOCAL_HEADER.unpack(header)[-2:])
    end = body + entry.packed
    if end > len(archive):
        return
    path = name + b"!" + entry.name
    if entry.method == _STORED:
        for hint in nested(archive[body:end], path):
            yield Hint(body + hint.start, hint.framing, body + hint.body, hint.size, hint.name, hint.inside)
    elif entry.method == _DEFLATED:
        fields = header[framings.LOCAL_FIELDS]
        if entry.flags & _STREAMED_FLAG:
            descriptor = framings.DESCRIPTOR_MAGIC + entry.fields
            is_usual = not any(fields) and archive[end : end + len(descriptor)] == descriptor
            if is_usual:
                yield Hint(entry.offset, framings.STREAMED, body, end + len(descriptor) - entry.offset, path)
                return
        elif fields == entry.fields and entry.packed <= framings.MAX_BUFFERED:
            yield Hint(entry.offset, framings.ENTRY, body, end - entry.offset, path)
            return
        yield Hint(body, framings.RAW, body, entry.packed, path)
