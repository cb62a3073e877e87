"""What a reference inside copied bytes becomes when the code that it points to has moved.

In a new build of a program most instructions stay, but the addresses inside them change, because something before or
between them grew. Which way each piece moved is known from the covers of the delta itself: they say which range of
source is which range of target. So a copied 32-bit displacement or 64-bit pointer is *predicted*: read it, find the
source address that it means, map it, write the field that means the mapped address. Where the guess is wrong the delta's
byte differences put it right; a prediction costs nothing and is never needed to be true. This is the insight of Courgette
and Zucchini (Chromium) without disassembly: fields are recognised by their looks.

All numbers are addresses in the sense of the ranges that the delta declares, computed modulo 2**64.
"""

from __future__ import annotations

from array import array

import cython


MAX_COVER = 1 << 20  # bytes of a cover with prediction: it is predicted as a whole

PLAIN, CODE_X86, POINTERS, RELATIVE = 0, 1, 2, 3
BASED = 4  # BASED + i: 32-bit offsets from base i

_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_MASK32 = cython.declare(cython.ulonglong, (1 << 32) - 1)


@cython.cclass
class Predictor:
    """Predicts covers of one segment.

    `ranges` declare the addresses of source bytes (`offset` in the row of sources) and `landings` those of target bytes;
    `points` are pairs (source address, target address): from the first on, up to the next point, addresses move alike.
    """

    _low: cython.ulonglong[::1]
    _high: cython.ulonglong[::1]
    _from: cython.ulonglong[::1]
    _to: cython.ulonglong[::1]
    _count: cython.Py_ssize_t
    _spans: cython.Py_ssize_t

    def __init__(self, spans: list[tuple[int, int]], points: list[tuple[int, int]]) -> None:
        """`spans` (first, one past last source address) and `points` must ascend; first components are distinct."""
        self._low = array("Q", [low for low, _ in spans] or [0])
        self._high = array("Q", [high for _, high in spans] or [0])
        self._from = array("Q", [origin for origin, _ in points] or [0])
        self._to = array("Q", [to for _, to in points] or [0])
        self._count = len(points)
        self._spans = len(spans)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _mapped(self, address: cython.ulonglong) -> cython.bint:
        i: cython.Py_ssize_t
        for i in range(self._spans):
            if self._low[i] <= address < self._high[i]:
                return True
        return False

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _map(self, address: cython.ulonglong) -> cython.ulonglong:
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self._count
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) >> 1
            if self._from[middle] <= address:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return address
        return (self._to[low - 1] + (address - self._from[low - 1])) & _MASK64

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def predict(
        self,
        piece: cython.uchar[::1],
        mode: cython.int,
        origin: cython.ulonglong,
        landing: cython.ulonglong,
        source_base: cython.ulonglong,
        target_base: cython.ulonglong,
    ) -> cython.int:
        """Replace in `piece`, a copy of source at address `origin` that goes to `landing`, what `mode` recognises.
        """
        size: cython.Py_ssize_t = len(piece)
        i: cython.Py_ssize_t = 0
        at: cython.Py_ssize_t
        value: cython.ulonglong
        address: cython.ulonglong
        b: cython.uint
        hits: cython.int = 0
        if mode == CODE_X86:
            while i + 5 <= size:
                b = piece[i]
                if (b & 0xFE) == 0xE8 or (b & 0xC7) == 0x05:
                    at = i + 1
                elif b == 0x0F and (piece[i + 1] & 0xF0) == 0x80 and i + 6 <= size:
                    at = i + 2
                else:
                    i += 1
                    continue
                value = _load32(piece, at)
                address = (origin + at + 4 + _signed(value)) & _MASK64
                if not self._mapped(address):
                    i += 1
                    continue
                value = (self._map(address) - landing - at - 4) & _MASK64
                _store32(piece, at, value)
                i = at + 4
                hits += 1
        elif mode == POINTERS:
            i = (8 - (origin & 7)) & 7
            while i + 8 <= size:
                address = _load32(piece, i) | _load32(piece, i + 4) << 32
                if self._mapped(address):
                    address = self._map(address)
                    _store32(piece, i, address)
                    _store32(piece, i + 4, address >> 32)
                    hits += 1
                i += 8
        elif mode == RELATIVE:
            i = (4 - (origin & 3)) & 3
            while i + 4 <= size:
                address = (origin + i + _signed(_load32(piece, i))) & _MASK64
                if self._mapped(address):
                    _store32(piece, i, (self._map(address) - landing - i) & _MASK64)
                    hits += 1
                i += 4
        elif mode >= BASED:
            i = (4 - (origin & 3)) & 3
            while i + 4 <= size:
                address = (source_base + _signed(_load32(piece, i))) & _MASK64
                if self._mapped(address):
                    _store32(piece, i, (self._map(address) - target_base) & _MASK64)
                    hits += 1
                i += 4
        return hits


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
def _load32(piece: cython.uchar[::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    value: cython.ulonglong = piece[at + 3]
    value = value << 8 | piece[at + 2]
    value = value << 8 | piece[at + 1]
    return value << 8 | piece[at]


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
def _store32(piece: cython.uchar[::1], at: cython.Py_ssize_t, value: cython.ulonglong) -> cython.void:
    piece[at] = value & 255
    piece[at + 1] = (value >> 8) & 255
    piece[at + 2] = (value >> 16) & 255
    piece[at + 3] = (value >> 24) & 255


@cython.cfunc
@cython.inline
def _signed(value: cython.ulonglong) -> cython.ulonglong:
    """Extend the sign of a 32-bit number to 64 bits."""
    return ((value ^ 0x80000000) - 0x80000000) & _MASK64
