"""The packages in a database of rpm: the form that rpm 4.16 and newer write, in SQLite.

Each row of the table `Packages` has a header: a number of entries and bytes of data, both big-endian, the entries (tag,
type, offset, count), the data (rpm's `docs/manual/hregions.md`, `format_header.md`). Older databases, in Berkeley DB or
ndb, are not read.
"""

from __future__ import annotations

import struct
from itertools import islice

from airpatch.errors import FormatError
from airpatch.report.package import Package, PathRoom
from airpatch.report.sqlite_tables import Value, table_rows

_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")
_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_FOLDER_NUMBERS, _FILE_NAMES, _FOLDERS = 1116, 1117, 1118
_INT32 = 4
_MAX_ENTRIES = 1 << 16
_MAX_TEXTS = 1 << 20


def rpm_packages(database: bytes, room: PathRoom) -> tuple[list[Package], bool]:
    """Return the packages in the file `database`, and whether those are all: of a damaged one, what can be read.

    Paths of their files take of `room`.
    """
    found: list[Package] = []
    is_whole = True
    try:
        for row in table_rows(database, "Packages"):
            try:
                found.append(_package(row[1], room))
            except (ValueError, struct.error, IndexError, TypeError):
                is_whole = False
    except FormatError:
        is_whole = False
    return found, is_whole


def _package(header: Value, room: PathRoom) -> Package:
    if not isinstance(header, bytes):
        raise TypeError("a header that is no bytes")
    count, size = _COUNTS.unpack_from(header)
    if count > _MAX_ENTRIES:
        raise ValueError(f"a header of {count} entries")
    start = _COUNTS.size + count * _ENTRY.size
    data = header[start : start + size]
    entries = {
        tag: (kind, offset, number)
        for tag, kind, offset, number in _ENTRY.iter_unpack(header[_COUNTS.size : start])
    }  # fmt: skip

    def texts(tag: int) -> list[str]:
        if tag not in entries:
            return []
        _, offset, number = entries[tag]
        if number > _MAX_TEXTS:
            raise ValueError(f"{number} texts")
        return [text.decode(errors="replace") for text in data[offset:].split(b"\0", number)[:number]]

    def numbers(tag: int) -> list[int]:
        if tag not in entries or entries[tag][0] != _INT32:
            return []
        _, offset, number = entries[tag]
        return [value for (value,) in islice(struct.iter_unpack(">I", data[offset : offset + 4 * number]), number)]

    version = f"{texts(_VERSION)[0]}-{texts(_RELEASE)[0]}"
    epoch = numbers(_EPOCH)
    folders = texts(_FOLDERS)
    places = zip(numbers(_FOLDER_NUMBERS), texts(_FILE_NAMES), strict=True)
    files = room.take((folders[number] + name).lstrip("/") for number, name in places)
    return Package("rpm", texts(_NAME)[0], f"{epoch[0]}:{version}" if epoch else version, files)
