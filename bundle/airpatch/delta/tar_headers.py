"""Headers of tars within copies: their times and checksums are foretold (spec/DELTA.md, Tar headers).

Layers that are built again have the same files with new times, and so in each header a new time and a new checksum.
What became of a time is noted for the next header that has it, and a checksum follows from the bytes before it.
"""

from __future__ import annotations

from array import array

import cython

HEADER = 512
CHECKSUM = 148
"""Where in a header the checksum lies, behind the time: what it becomes is known when all before it is."""
_TIME = cython.declare(cython.Py_ssize_t, 136)
_TIME_DIGITS = cython.declare(cython.Py_ssize_t, 11)
_SUM = cython.declare(cython.Py_ssize_t, CHECKSUM)
_SUM_DIGITS = cython.declare(cython.Py_ssize_t, 6)
_MAGIC = cython.declare(cython.Py_ssize_t, 257)
_SIZE = cython.declare(cython.Py_ssize_t, HEADER)
_SLOTS = cython.declare(cython.Py_ssize_t, 1 << 12)
_UNKNOWN = cython.declare(cython.longlong, -1)
_SKIPS = array("B", (b"ratsu".find(byte) if byte in b"ratsu" else 5 for byte in range(256)))
"""How far on the next `ustar` can begin, by the byte that would be the last of this one (Horspool)."""


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.exceptval(check=False)
def _number(data: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, digits: cython.Py_ssize_t) -> cython.longlong:
    """Return a number of so many octal digits; `_UNKNOWN` if there is none."""
    # In bounds: callers ask for what lies within a header of the data.
    number: cython.longlong = 0
    i: cython.Py_ssize_t
    for i in range(at, at + digits):
        if data[i] < 0x30 or data[i] > 0x37:
            return _UNKNOWN
        number = number << 3 | (data[i] - 0x30)
    return number


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.exceptval(check=False)
def _put(
    data: cython.uchar[::1], at: cython.Py_ssize_t, digits: cython.Py_ssize_t, number: cython.longlong
) -> cython.void:
    """Write the lowest octal digits of a number."""
    # In bounds: as in `_number`.
    i: cython.Py_ssize_t
    for i in range(at + digits - 1, at - 1, -1):
        data[i] = cython.cast(cython.uchar, 0x30 + (number & 7))
        number >>= 3


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.ccall
def find_headers(data: cython.const[cython.uchar][::1]) -> list[int]:
    """Return where in `data` headers begin that are foretold, ascending; all of each lies in it."""
    # In bounds: at + 4 < at - _MAGIC + _SIZE <= len(data).
    skips: cython.uchar[::1] = _SKIPS
    found: list[int] = []
    last: cython.Py_ssize_t = len(data) - _SIZE + _MAGIC
    at: cython.Py_ssize_t = _MAGIC
    while at <= last:
        if skips[data[at + 4]]:
            at += skips[data[at + 4]]
        elif (
            data[at] == 0x75
            and data[at + 1] == 0x73
            and data[at + 2] == 0x74
            and data[at + 3] == 0x61
            and _number(data, at - _MAGIC + _TIME, _TIME_DIGITS) >= 0
            and _number(data, at - _MAGIC + _SUM, _SUM_DIGITS) >= 0
        ):
            found.append(at - _MAGIC)
            at += _SIZE
        else:
            at += 5
    return found


@cython.cclass
class TarHeaders:
    """What became of the times of headers, in a delta from its beginning on."""

    _old: array[int]
    _new: array[int]
    _shift: cython.longlong

    def __init__(self) -> None:
        self._old = array("q", [_UNKNOWN]) * _SLOTS
        self._new = array("q", [0]) * _SLOTS
        self._shift = 0

    def foretell(
        self,
        source: cython.const[cython.uchar][::1],
        target: cython.const[cython.uchar][::1],
        copy: cython.uchar[::1],
        headers: list[int],
    ) -> None:
        """Foretell the `headers` of a `copy` of `source` that becomes `target`, which may be that copy itself."""
        for header in headers:
            self.foretell_time(source, copy, header)
            self.foretell_checksum(source, target, copy, header)

    @cython.ccall
    def foretell_time(
        self, source: cython.const[cython.uchar][::1], copy: cython.uchar[::1], header: cython.Py_ssize_t
    ) -> cython.void:
        """Foretell the time of a header."""
        time: cython.longlong = _number(source, header + _TIME, _TIME_DIGITS)
        slot: cython.Py_ssize_t = time & (_SLOTS - 1)
        old: cython.longlong[::1] = self._old
        new: cython.longlong[::1] = self._new
        _put(copy, header + _TIME, _TIME_DIGITS, new[slot] if old[slot] == time else time + self._shift)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def foretell_checksum(
        self,
        source: cython.const[cython.uchar][::1],
        target: cython.const[cython.uchar][::1],
        copy: cython.uchar[::1],
        header: cython.Py_ssize_t,
    ) -> cython.void:
        """Foretell the checksum of a header whose bytes before it are known in `target`, and learn from its time."""
        # In bounds: the header lies in all three; a slot is masked.
        time: cython.longlong = _number(source, header + _TIME, _TIME_DIGITS)
        became: cython.longlong = _number(target, header + _TIME, _TIME_DIGITS)
        slot: cython.Py_ssize_t = time & (_SLOTS - 1)
        old: cython.longlong[::1] = self._old
        new: cython.longlong[::1] = self._new
        total: cython.longlong = _number(source, header + _SUM, _SUM_DIGITS)
        i: cython.Py_ssize_t
        if became >= 0:
            if old[slot] != time:
                self._shift = became - time
            old[slot] = time
            new[slot] = became
        for i in range(header, header + _SUM):
            total += target[i]
            total -= source[i]
        _put(copy, header + _SUM, _SUM_DIGITS, total)
