"""The index of the JDK's `modules` file as a list of resources (spec/VIEWS.md, Indexes of jimage).

Of OpenJDK's BasicImageWriter and PerfectHashBuilder: a header, a table of a perfect hash, where the attributes of each
resource are, these attributes, in the order of the hash, and names. One resource more gives all of them other places.
The view has the resources in the order of their content, each by its difference to the one before; all else follows
from their names.
"""

from __future__ import annotations

import struct
from array import array
from itertools import chain

from airpatch.errors import FormatError
from airpatch.views import jimage_rows
from airpatch.views.cut_short import CutShort
from airpatch.views.jimage_rows import COLUMNS, OFFSET
from airpatch.views.perfect_hash import FREE_HASHED, MAX_HASHED, HashTable

MAGIC = b"\xda\xda\xfe\xca"
MAX_INDEX = 1 << 24
"""Bytes of an index, and of its view, which are held as a whole."""
HEADER = struct.Struct("<4s6I")
_ROW = 4 * COLUMNS
"""Bytes of a row of the view."""


def index_size(data: bytes | bytearray | memoryview) -> int:
    """Return how many bytes of `data` are the index that it begins with. Raises CutShort if they are not all there,
    FormatError if it is none, or over a limit.
    """
    _, size = _sizes(data)
    if size > len(data):
        raise CutShort("a jimage index that is cut short")
    return size


def _sizes(data: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Return how many resources there are, and the size of the index."""
    if len(data) < HEADER.size:
        raise CutShort("a jimage index that is cut short")
    magic, _, _, count, length, attributes, strings = HEADER.unpack_from(data)
    size = HEADER.size + 8 * length + attributes + strings
    if magic != MAGIC or count != length or not strings:
        raise FormatError("no jimage index")
    if max(size, HEADER.size + _ROW * length + strings) > MAX_INDEX:
        raise FormatError(f"a jimage index of more than {MAX_INDEX} bytes")
    return length, size


def listed(index: bytes) -> bytes:
    """Return the view of an index. Raises FormatError if it is none, or not what PerfectHashBuilder makes."""
    length, size = _sizes(index)
    strings = HEADER.unpack_from(index)[-1]
    places = struct.unpack_from(f"<{length}I", index, HEADER.size + 4 * length) if size == len(index) else ()
    attributes = index[HEADER.size + 8 * length : size - strings]
    rows = sorted((jimage_rows.read(attributes, at) for at in places), key=_place_of_content)
    numbers = jimage_rows.differences(array("I", chain.from_iterable(rows)))
    packed = struct.pack(f"<{len(numbers)}I", *numbers)
    view = b"".join((index[: HEADER.size], index[size - strings :], packed))
    if hashed(view) != index:
        raise FormatError("a jimage index that is made otherwise")
    return view


def _place_of_content(row: list[int]) -> tuple[int, list[int]]:
    return row[OFFSET], row


def hashed(view: bytes) -> bytes:
    """Return the index of that view. Raises FormatError if it is not the view of one."""
    length, size = _sizes(view)
    strings = HEADER.unpack_from(view)[-1]
    first = HEADER.size + strings
    if len(view) != first + _ROW * length or view[first - 1]:
        raise FormatError("the view of a jimage index of another size")
    rows = jimage_rows.restored(array("I", struct.unpack_from(f"<{COLUMNS * length}I", view, first)))
    names = jimage_rows.names(rows, strings)
    left = MAX_HASHED * size + FREE_HASHED
    redirect, order = HashTable(view[HEADER.size : first], names, length, left).made()
    attributes, places = jimage_rows.write(rows, order)
    padding = HEADER.unpack_from(view)[-2] - len(attributes)
    if padding < 0:
        raise FormatError("a jimage index of more attributes than it says")
    tables = (struct.pack(f"<{length}i", *redirect), struct.pack(f"<{length}I", *places))
    return b"".join((view[: HEADER.size], *tables, attributes, bytes(padding), view[HEADER.size : first]))
