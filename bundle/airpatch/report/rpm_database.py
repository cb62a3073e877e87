"""The packages in a database of rpm: the form that rpm 4.16 and newer write, in SQLite.

Each row of the table `Packages` has a header: a number of entries and bytes of data, both big-endian, the entries (tag,
type, offset, count), the data (rpm's `docs/manual/hregions.md`, `format_header.md`). Older databases, in Berkeley DB or
ndb, are not read.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice

from airpatch.report.package import Package

_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")
_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_FOLDER_NUMBERS, _FILE_NAMES, _FOLDERS = 1116, 1117, 1118
_INT32 = 4
_MAGIC = b"SQLite format 3\0"
_MOST_WORK = 1 << 28
"""Instructions of SQLite's machine, a hundred times those of a large database: what an image says may be a view."""
_MAX_ENTRIES = 1 << 16
_MAX_TEXTS = 1 << 20


def rpm_packages(database: bytes) -> Iterator[Package]:
    """Yield the packages in the file `database`; nothing if it is none, and as far as it can be read if damaged."""
    if not database.startswith(_MAGIC):
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        connection.set_progress_handler(lambda: 1, _MOST_WORK)
        for (header,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum"):
            with suppress(ValueError, struct.error, IndexError, TypeError):
                yield _package(header)


def _package(header: bytes) -> Package:
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
    files = tuple((folders[number] + name).lstrip("/") for number, name in places)
    return Package("rpm", texts(_NAME)[0], f"{epoch[0]}:{version}" if epoch else version, files)
