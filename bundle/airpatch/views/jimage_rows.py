# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: numbers are whole rows of seven; where attributes are read is compared with their size, and where they are
# written there are as many bytes as rows may take; an order holds numbers of rows.
"""Resources in the index of a JDK's `modules` file, as rows of seven numbers each (spec/VIEWS.md, Indexes of jimage).

Four places of names (module, parent, itself, extension), where the content is, its packed size, 0 if it is not packed,
and its size.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.errors import FormatError

COLUMNS = 7
OFFSET = 4
"""The column that says where the content is."""

_COLUMNS = cython.declare(cython.int, COLUMNS)
_NAMES = cython.declare(cython.int, 4)
_OFFSET = cython.declare(cython.int, OFFSET)
_LONGEST = cython.declare(cython.int, 4)  # bytes of an attribute's value
_MOST = cython.declare(cython.int, COLUMNS * 5 + 1)  # bytes of the attributes of a row
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)


@cython.ccall
def read(data: cython.const[cython.uchar][::1], at: cython.uint) -> list[int]:
    """Return the row of a resource whose attributes (ImageLocation) begin at `at`."""
    row: list[int] = [0] * _COLUMNS
    kind: cython.int
    size: cython.int
    value: cython.uint
    size_of_all: cython.longlong = len(data)
    here: cython.longlong = at
    while here < size_of_all and data[here] >> 3:
        kind = data[here] >> 3
        size = (data[here] & 7) + 1
        if kind > _COLUMNS or size > _LONGEST or here + size >= size_of_all:
            break
        value = 0
        for _ in range(size):
            here += 1
            value = (value << 8) | data[here]
        here += 1
        row[kind - 1] = value
    return row


@cython.ccall
def differences(rows: cython.const[cython.uint][::1]) -> array[int]:
    """Return the rows, joined, each by its difference to what the one before lets expect."""
    numbers = array("I", rows)
    out: cython.uint[::1] = numbers
    at: cython.Py_ssize_t
    for at in range(_COLUMNS, len(rows)):
        out[at] = (rows[at] - _expected(rows, at)) & _MASK32
    return numbers


@cython.ccall
def restored(numbers: cython.const[cython.uint][::1]) -> array[int]:
    """Undo `differences`."""
    rows = array("I", numbers)
    out: cython.uint[::1] = rows
    at: cython.Py_ssize_t
    for at in range(_COLUMNS, len(numbers)):
        out[at] = (numbers[at] + _expected(out, at)) & _MASK32
    return rows


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _expected(rows: cython.const[cython.uint][::1], at: cython.Py_ssize_t) -> cython.uint:
    """Return what a number of the rows is compared with, where one is before its row: names stand near each other, and
    contents one after another.
    """
    column: cython.Py_ssize_t = at % _COLUMNS
    if column > _OFFSET:
        return 0
    before: cython.uint = rows[at - _COLUMNS]
    if column == _OFFSET:
        packed: cython.uint = rows[at - _COLUMNS + 1]
        return (before + (packed or rows[at - _COLUMNS + 2])) & _MASK32
    return before


@cython.ccall
def names(rows: cython.const[cython.uint][::1], strings: cython.uint) -> array[int]:
    """Return the names of all rows, four each. Raises FormatError if one does not lie in so many bytes of strings."""
    found = array("I", bytes(4 * _NAMES * (len(rows) // _COLUMNS)))
    out: cython.uint[::1] = found
    number: cython.Py_ssize_t
    column: cython.Py_ssize_t
    for number in range(len(rows) // _COLUMNS):
        for column in range(_NAMES):
            if rows[_COLUMNS * number + column] >= strings:
                raise FormatError("a jimage index with a name outside of its names")
            out[_NAMES * number + column] = rows[_COLUMNS * number + column]
    return found


@cython.ccall
def write(rows: cython.const[cython.uint][::1], order: list[int]) -> tuple[bytes, array[int]]:
    """Return the attributes of the rows, in the order of their numbers and behind a byte that is none, and where those
    of each begin.
    """
    written = bytearray(1 + _MOST * len(order))
    places = array("I", bytes(4 * len(order)))
    out: cython.uchar[::1] = written
    begins: cython.uint[::1] = places
    at: cython.Py_ssize_t = 1
    place: cython.Py_ssize_t
    first: cython.Py_ssize_t
    column: cython.int
    size: cython.int
    value: cython.uint
    for place in range(len(order)):
        begins[place] = cython.cast(cython.uint, at)
        first = _COLUMNS * cython.cast(cython.Py_ssize_t, order[place])
        for column in range(_COLUMNS):
            value = rows[first + column]
            if not value:
                continue
            size = 1 + (value > 0xFF) + (value > 0xFFFF) + (value > 0xFFFFFF)
            out[at] = ((column + 1) << 3) | (size - 1)
            at += 1
            while size:
                size -= 1
                out[at] = (value >> (8 * size)) & 0xFF
                at += 1
        at += 1  # and a zero ends them
    return bytes(out[:at]), places
