"""The index of the JDK's `modules` file as a list of resources (spec/VIEWS.md, Indexes of jimage).

Of OpenJDK's BasicImageWriter and PerfectHashBuilder: a header, a table of a perfect hash, where the attributes of each
resource are, these attributes, in the order of the hash, and names. One resource more gives all of them other places.
The view has the resources in the order of their content, each by its difference to the one before; all else follows
from their names.
"""

from __future__ import annotations

import struct
from array import array

from airpatch.errors import FormatError
from airpatch.views.cut_short import CutShort
from airpatch.views.perfect_hash import FREE_HASHED, MAX_HASHED, HashTable

MAGIC = b"\xda\xda\xfe\xca"
MAX_INDEX = 1 << 24
"""Bytes of an index, and of its view, which are held as a whole."""
HEADER = struct.Struct("<4s6I")
COLUMNS = 7
"""Attributes of a resource: where names are, of its module, parent, itself, extension; offset, packed size, size."""
_ROW = struct.Struct("<7I")


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
    if max(size, HEADER.size + _ROW.size * length + strings) > MAX_INDEX:
        raise FormatError(f"a jimage index of more than {MAX_INDEX} bytes")
    return length, size


def listed(index: bytes) -> bytes:
    """Return the view of an index. Raises FormatError if it is none, or not what PerfectHashBuilder makes."""
    length, size = _sizes(index)
    strings = HEADER.unpack_from(index)[-1]
    places = struct.unpack_from(f"<{length}I", index, HEADER.size + 4 * length) if size == len(index) else ()
    rows = sorted(_attributes(index[HEADER.size + 8 * length : size - strings], at) for at in places)
    out = [index[: HEADER.size], index[size - strings :]]
    before = (0,) * COLUMNS
    for offset, *others in rows:
        row = (*others[:4], offset, *others[4:])
        out.append(_ROW.pack(*((one - other) & 0xFFFFFFFF for one, other in zip(row, _expected(before), strict=True))))
        before = row
    view = b"".join(out)
    if hashed(view) != index:
        raise FormatError("a jimage index that is made otherwise")
    return view


def _expected(row: tuple[int, ...]) -> tuple[int, ...]:
    """Return what the row after `row` is compared with: names stand near each other, and contents one after another."""
    return (*row[:4], row[4] + (row[5] or row[6]), 0, 0)


def _attributes(data: bytes, at: int) -> tuple[int, ...]:
    """Return the attributes of a resource (ImageLocation): its offset, and the others."""
    values = [0] * (COLUMNS + 1)
    while at < len(data) and data[at] >> 3:
        kind, size = data[at] >> 3, (data[at] & 7) + 1
        if kind > COLUMNS or size > 4:
            break
        values[kind] = int.from_bytes(data[at + 1 : at + 1 + size], "big")
        at += 1 + size
    _, *names, offset, packed, size = values
    return offset, *names, packed, size


def hashed(view: bytes) -> bytes:
    """Return the index of that view. Raises FormatError if it is not the view of one."""
    length, size = _sizes(view)
    strings = HEADER.unpack_from(view)[-1]
    first = HEADER.size + strings
    if len(view) != first + _ROW.size * length or view[first - 1]:
        raise FormatError("the view of a jimage index of another size")
    names = array("I")
    encoded = []
    before: tuple[int, ...] = (0,) * COLUMNS
    for row in _ROW.iter_unpack(view[first:]):
        before = tuple((one + other) & 0xFFFFFFFF for one, other in zip(row, _expected(before), strict=True))
        if max(before[:4]) >= strings:
            raise FormatError("a jimage index with a name outside of its names")
        names.extend(before[:4])
        encoded.append(_encoded(before))
    left = MAX_HASHED * size + FREE_HASHED
    redirect, order = HashTable(view[HEADER.size : first], names, length, left).made()
    attributes = [encoded[number] for number in order]
    at, places = 1, array("I")
    for each in attributes:
        places.append(at)
        at += len(each)
    tables = (struct.pack(f"<{length}i", *redirect), struct.pack(f"<{length}I", *places))
    padding = HEADER.unpack_from(view)[-2] - at
    if padding < 0:
        raise FormatError("a jimage index of more attributes than it says")
    return b"".join((view[: HEADER.size], *tables, b"\0", *attributes, bytes(padding), view[HEADER.size : first]))


def _encoded(row: tuple[int, ...]) -> bytes:
    out = bytearray()
    for kind, value in enumerate(row, 1):
        if value:
            data = value.to_bytes((value.bit_length() + 7) // 8, "big")
            out.append(kind << 3 | len(data) - 1)
            out += data
    out.append(0)
    return bytes(out)
