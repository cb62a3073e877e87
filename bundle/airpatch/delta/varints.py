"""Whole numbers as bytes: LEB128 as DWARF defines it (DWARF 5, 7.6), unsigned, below 2**63, in shortest form
only.

`zigzag` folds signed numbers into unsigned ones: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import cython

from airpatch.errors import FormatError

MAX_BYTES = 9  # of one number: 63 bits, seven in each


@cython.annotation_typing(False)  # Cython 3.3 forgets a declaration where it inlines `append` of a typed bytearray
@cython.locals(number=cython.longlong)
def put(out: bytearray, number: int) -> None:
    """Append `number`, 0 <= number < 2**63."""
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def zigzag(number: int) -> int:
    """Return a signed number as an unsigned one; the inverse of `unzigzag`."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def unzigzag(number: int) -> int:
    """Return the signed number that `zigzag` has made unsigned."""
    return number >> 1 if not number & 1 else -(number >> 1) - 1


_RUN = 1 << 16  # bytes of numbers unpacked at once where they are read one after the other


def iterate(data: bytes) -> Iterator[int]:
    """Yield the numbers of `data` as they are wanted, so that they never take eight times its memory.

    FormatError as `unpack`, when the numbers come to it.
    """
    start = 0
    while start < len(data):
        end = min(start + _RUN, len(data))
        while end < len(data) and data[end - 1] & 0x80:
            end += 1
        yield from unpack(data[start:end])
        start = end


def count(data: bytes) -> int:
    """Return how many numbers are in `data`, the last of which may be cut short."""
    return len(data.translate(None, bytes(range(0x80, 0x100))))


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.ccall
def unpack(data: cython.const[cython.uchar][::1]) -> array[int]:
    """Return all numbers of `data`, an array of typecode "q".

    FormatError unless it is whole numbers in shortest form.
    """
    size: cython.Py_ssize_t = len(data)
    count: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    for i in range(size):
        count += data[i] < 0x80
    result = array("q", bytes(8)) * max(count, 1)
    numbers: cython.longlong[::1] = result
    count = 0
    value: cython.longlong = 0
    shift: cython.int = 0
    # In bounds: `count` grows once for each byte below 0x80, of which there are as many as numbers.
    for i in range(size):
        if shift > 56:
            raise FormatError("delta: a number exceeds 63 bits")
        value |= cython.cast(cython.longlong, data[i] & 0x7F) << shift
        shift += 7
        if data[i] < 0x80:
            if data[i] == 0 and shift > 7:
                raise FormatError("delta: a number is not in its shortest form")
            numbers[count] = value
            count += 1
            value = 0
            shift = 0
    if shift:
        raise FormatError("delta: a number is cut short")
    return result if count else array("q")
