"""Rows of tables in the file of a SQLite database (https://sqlite.org/fileformat2.html). Pure.

An image's database is only data here: there is no engine that would carry out views or triggers of a stranger, and
Pythons without `sqlite3` read it, too. Not read are a write-ahead log beside the file, and tables WITHOUT ROWID.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from airpatch.errors import FormatError

MAGIC = b"SQLite format 3\0"
_HEADER = 100
"""Bytes before the tree of the first page."""
_INTERIOR, _LEAF = 5, 13
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of an integer by its serial type."""
_MAX_COLUMNS = 32767
"""Columns of a table (https://sqlite.org/limits.html)."""
_SCHEMA = 1
"""The page of the table of tables."""

Value = int | bytes | None
"""A value of a row; texts are bytes, and numbers with a fraction, which nobody asks for here, are None."""


def table_rows(database: bytes, table: str) -> Iterator[list[Value]]:
    """Yield the rows of `table`, in the order of their ids. A column that is the row's id itself is None.

    Raises FormatError if `database` is none, is damaged or has no such table.
    """
    file = _Database(database)
    for row in file.rows(_SCHEMA):
        match row:
            case [b"table", name, _, int(root), *_] if name == table.encode():
                yield from file.rows(root)
                return
    raise FormatError(f"a database without a table {table}")


class _Database:
    """The pages of a database. Each is visited once, and no more bytes of rows are given than the file has."""

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC) or len(content) < _HEADER:
            raise FormatError("not a database of SQLite")
        (size,) = struct.unpack_from(">H", content, 16)
        self._content = content
        self._size = 65536 if size == 1 else size
        self._usable = self._size - content[20]
        if self._size < 512 or self._size & (self._size - 1) or self._usable < 480:
            raise FormatError("a database with a page size that is none")
        self._visited: set[int] = set()
        self._left = len(content)

    def rows(self, root: int) -> Iterator[list[Value]]:
        """Yield the rows of the table whose tree begins at the page `root`. Raises FormatError."""
        self._visited.clear()
        self._left = len(self._content)
        pending = [root]
        while pending:
            number = pending.pop()
            page = self._page(number)
            start = _HEADER if number == _SCHEMA else 0
            try:
                kind, _, cells = struct.unpack_from(">BHH", page, start)
                if kind == _LEAF:
                    for at in struct.unpack_from(f">{cells}H", page, start + 8):
                        yield _values(self._payload(page, at))
                elif kind == _INTERIOR:
                    places = struct.unpack_from(f">{cells}H", page, start + 12)
                    children = [*places, start + 8]
                    if len(pending) > len(self._content) // self._size:
                        raise FormatError("a database whose pages have more below them than there are")
                    pending += [struct.unpack_from(">I", page, at)[0] for at in reversed(children)]
                else:
                    raise FormatError(f"a database whose page {number} is not one of a table")
            except (struct.error, IndexError):
                raise FormatError(f"a database whose page {number} is damaged") from None

    def _page(self, number: int) -> memoryview:
        page = memoryview(self._content)[(number - 1) * self._size : number * self._size] if number > 0 else b""
        if len(page) != self._size or number in self._visited:
            raise FormatError(f"a database whose page {number} is missing, or there twice")
        self._visited.add(number)
        return memoryview(page)

    def _payload(self, page: memoryview, at: int) -> bytes:
        """Return the content of the cell at `at` of a leaf, with what overflows into pages of its own."""
        size, at = _varint(page, at)
        _, at = _varint(page, at)
        self._left -= size
        if self._left < 0:
            raise FormatError("a database whose rows have more bytes than it has")
        most, usable = self._usable - 35, self._usable
        local = size
        if size > most:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (size - least) % (usable - 4)
            local = local if local <= most else least
        found = bytearray(page[at : at + local])
        number = struct.unpack_from(">I", page, at + local)[0] if local < size else 0
        while len(found) < size:
            page = self._page(number)
            (number,) = struct.unpack_from(">I", page)
            found += page[4 : 4 + min(usable - 4, size - len(found))]
        return bytes(found)


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ends."""
    value = 0
    for end in range(at, at + 8):
        byte = data[end]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end + 1
    return value << 8 | data[at + 8], at + 9


def _values(payload: bytes) -> list[Value]:
    end, at = _varint(payload, 0)
    kinds = []
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
        if len(kinds) > _MAX_COLUMNS:
            raise FormatError(f"a database with a row of more than {_MAX_COLUMNS} columns")
    found: list[Value] = []
    for kind in kinds:
        if kind in _INTEGERS or kind >= 12:
            size = _INTEGERS.get(kind, (kind - 12) // 2)
            content = payload[at : at + size]
            if len(content) != size:
                raise FormatError("a database with a row that is cut short")
            found.append(content if kind >= 12 else int.from_bytes(content, "big", signed=True))
            at += size
        else:
            found.append({8: 0, 9: 1}.get(kind))
            at += 8 if kind == 7 else 0
    return found
