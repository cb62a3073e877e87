"""Byte differences between a copy and what it should be.

Most copied bytes are right. The wrong ones are two columns: *gaps*, the number of right bytes before each
wrong one, and *values*, what to add to it modulo 256 (never 0). Both run on from cover to cover of a
segment; after the last value everything is right.
"""

from __future__ import annotations

import cython

from airpatch.delta import varints
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common
else:
    from airpatch.byte_access import common

_RUN = 1 << 16  # bytes of gaps unpacked at once
_COUNTED = cython.declare(cython.Py_ssize_t, 256)  # bytes between two looks at a limit


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.ccall
def unequal(
    wanted: cython.const[cython.uchar][::1], piece: cython.const[cython.uchar][::1], limit: cython.longlong
) -> cython.longlong:
    """Return in how many bytes two equally long buffers differ; counting stops above `limit`."""
    # In bounds: i is below end, which is at most both lengths.
    size: cython.Py_ssize_t = min(len(wanted), len(piece))
    count: cython.longlong = 0
    start: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t
    i: cython.Py_ssize_t
    differing: cython.uint  # of a few bytes: C compilers compare these at once
    with cython.nogil:
        while start < size and count <= limit:
            end = min(start + _COUNTED, size)
            differing = 0
            for i in range(start, end):
                differing += wanted[i] != piece[i]
            count += differing
            start = end
    return count


@cython.cclass
class DifferenceWriter:
    """The columns while they are written."""

    _gaps: bytearray
    _values: bytearray
    _right: cython.longlong  # right bytes since the last wrong one

    def __init__(self) -> None:
        self._gaps = bytearray()
        self._values = bytearray()
        self._right = 0

    def __len__(self) -> int:
        """The size of both columns."""
        return len(self._gaps) + len(self._values)

    def take(self) -> tuple[bytearray, bytearray]:
        """Return the columns, gaps and values, and begin new ones."""
        taken = self._gaps, self._values
        self._gaps = bytearray()
        self._values = bytearray()
        self._right = 0
        return taken

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def add(self, wanted: cython.const[cython.uchar][::1], piece: cython.const[cython.uchar][::1]) -> cython.void:
        """Append what turns `piece` into `wanted`; they are equally long."""
        # In bounds: i is below both lengths, and behind it `common` reads less than what is left of both.
        size: cython.Py_ssize_t = min(len(wanted), len(piece))
        if size == 0:
            return
        left: cython.p_const_uchar = cython.address(wanted[0]) if cython.compiled else wanted
        copied: cython.p_const_uchar = cython.address(piece[0]) if cython.compiled else piece
        right: cython.longlong = self._right
        i: cython.Py_ssize_t = 0
        equal: cython.Py_ssize_t
        while True:
            equal = common(left, i, copied, i, size - i)
            right += equal
            i += equal
            if i == size:
                break
            while right > 0x7F:
                self._gaps.append(cython.cast(cython.int, right & 0x7F) | 0x80)
                right >>= 7
            self._gaps.append(cython.cast(cython.int, right))
            self._values.append((wanted[i] - piece[i]) & 0xFF)
            right = 0
            i += 1
        self._right = right


@cython.cclass
class DifferenceReader:
    """The columns while they are read: in `gaps` a number for each byte of `values`."""

    _packed: bytes  # all gaps
    _start: cython.Py_ssize_t  # of those of them that are not unpacked yet
    _gaps: cython.longlong[::1]  # some of them, unpacked: all at once would take eight times the memory
    _first: cython.Py_ssize_t  # the number of the first of these
    _unpacked: cython.Py_ssize_t  # the number behind the last of these
    _values: cython.const[cython.uchar][::1]
    _next: cython.Py_ssize_t
    _count: cython.Py_ssize_t
    _right: cython.longlong  # right bytes before the next wrong one

    def __init__(self, gaps: bytes, values: bytes) -> None:
        """FormatError if the columns do not fit together; later, if a gap is not a number in its shortest form."""
        if varints.count(gaps) != len(values) or 0 in values or (gaps and gaps[-1] & 0x80):
            raise FormatError("delta: byte differences and their places do not fit together")
        self._count = len(values)
        self._packed = gaps
        self._start = self._first = self._unpacked = 0
        self._values = values if values else b"\0"
        self._next = 0
        self._right = 0
        if values:
            self._unpack_more()
            self._right = self._gaps[0]

    @cython.cfunc
    def _unpack_more(self) -> cython.void:
        """Unpack the gaps behind those that are unpacked; there are some."""
        end: cython.Py_ssize_t = min(self._start + _RUN, len(self._packed))
        while end < len(self._packed) and self._packed[end - 1] & 0x80:
            end += 1
        numbers = varints.unpack(self._packed[self._start : end])
        self._start = end
        self._first = self._unpacked
        self._unpacked += len(numbers)
        self._gaps = numbers

    @property
    def done(self) -> bool:
        """Whether every difference has been applied."""
        return self._next == self._count

    def skip_right(self, length: int) -> bool:
        """Return whether the next `length` copied bytes are all right; if so, skip them."""
        if self._next < self._count:
            if self._right < length:
                return False
            self._right -= length
        return True

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def apply(self, piece: cython.uchar[::1]) -> cython.void:
        """Correct the next bytes in place."""
        size: cython.longlong = len(piece)
        at: cython.longlong = 0
        # In bounds: at + right < size where a byte is written, next < count where a value is read, and
        # first <= next < unpacked where a gap is: `_unpack_more` adds one at least, as count of them are there.
        while self._next < self._count and self._right < size - at:
            at += self._right
            piece[at] = (piece[at] + self._values[self._next]) & 0xFF
            at += 1
            self._next += 1
            if self._next < self._count:
                if self._next == self._unpacked:
                    self._unpack_more()
                self._right = self._gaps[self._next - self._first]
        if self._next < self._count:
            self._right -= size - at
