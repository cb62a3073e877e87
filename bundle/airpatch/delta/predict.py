"""What a reference inside copied bytes becomes when the code that it points to has moved.

In a new build of a program most instructions stay, but the addresses inside them change, because something
before or between them grew. Which way each piece moved is known from the covers of the delta itself: they
say which range of source is which range of target. So a copied 32-bit displacement or 64-bit pointer is
*predicted*: read it, find the source address that it means, map it, write the field that means the mapped
address. Where the guess is wrong the delta's byte differences put it right; a prediction costs nothing and
is never needed to be true. This is the insight of Courgette and Zucchini (Chromium) without disassembly:
fields are recognised by their looks.

All numbers are addresses in the sense of the ranges that the delta declares, computed modulo 2**64.
"""

from __future__ import annotations

from array import array

import cython

MAX_COVER = 1 << 20  # bytes of a cover with prediction: it is predicted as a whole

PLAIN, CODE_X86, POINTERS, RELATIVE = 0, 1, 2, 3
BASED = 4  # BASED + i: 32-bit offsets from base i

MEMORY = 1 << 16  # references that a group remembers
_SLOT_SHIFT = cython.declare(cython.int, 48)  # leaves the 16 bits of a slot
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_SIGN = cython.declare(cython.ulonglong, 1 << 31)
_MULTIPLIER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)


class Memory:
    """Where references went, shared by all groups of a delta.

    Each group has a number of its own, which takes part in the keys: what one has learned says nothing to the
    next.
    """

    def __init__(self) -> None:
        self.keys = array("Q")  # filled when first used: most deltas declare no addresses
        self.went = array("Q")
        self._groups = 0

    def next_group(self) -> int:
        """Return the number of the next group with addresses, from 1 on."""
        if not self._groups:
            self.keys = array("Q", bytes(8)) * MEMORY
            self.went = array("Q", bytes(8)) * MEMORY
        self._groups += 1
        return self._groups


@cython.cclass
class Predictor:
    """Predicts the covers of one group, one after another, and learns from what came out.

    A reference whose prediction was wrong shows where its address really went; that is remembered in a
    direct-mapped table, so the next reference to the same address is right.
    """

    _low: cython.ulonglong[::1]
    _high: cython.ulonglong[::1]
    _from: cython.ulonglong[::1]
    _to: cython.ulonglong[::1]
    _spans: cython.Py_ssize_t
    _points: cython.Py_ssize_t
    _keys: cython.ulonglong[::1]
    _went: cython.ulonglong[::1]
    _salt: cython.ulonglong

    def __init__(self, spans: list[tuple[int, int]], points: list[tuple[int, int]], memory: Memory) -> None:
        """`spans` are the ranges of valid source addresses (first, one past the last), `points` pairs
        (source address, target address): from the first on up to the next point, addresses move alike. Both
        ascend."""
        self._low = array("Q", [low for low, _ in spans] or [0])
        self._high = array("Q", [high for _, high in spans] or [0])
        self._from = array("Q", [origin for origin, _ in points] or [0])
        self._to = array("Q", [to for _, to in points] or [0])
        self._spans = len(spans)
        self._points = len(points)
        self._salt = (memory.next_group() << 48) & ((1 << 64) - 1)
        self._keys = memory.keys
        self._went = memory.went

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _valid(self, address: cython.ulonglong) -> cython.bint:
        i: cython.Py_ssize_t = 0
        while i < self._spans and not self._low[i] <= address < self._high[i]:
            i += 1
        return i < self._spans

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _map(self, address: cython.ulonglong) -> cython.ulonglong:
        slot: cython.Py_ssize_t = _slot(address)
        if self._keys[slot] == address ^ self._salt:
            return self._went[slot]
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self._points
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
    def run(
        self,
        source: cython.const[cython.uchar][::1],
        piece: cython.uchar[::1],
        mode: cython.int,
        learn: cython.bint,
        origin: cython.ulonglong,
        landing: cython.ulonglong,
        source_base: cython.ulonglong,
        target_base: cython.ulonglong,
    ) -> cython.void:
        """Go through the references that `mode` recognises in `source`, which stands at address `origin`.

        `piece` goes to `landing`, and is a copy of source, as long as it. Without `learn` its references are
        predicted; with `learn` it holds what is right, and is only looked at.
        """
        size: cython.Py_ssize_t = min(len(source), len(piece))
        at: cython.Py_ssize_t = 0
        width: cython.Py_ssize_t = 8 if mode == POINTERS else 4
        b: cython.uint
        address: cython.ulonglong
        there: cython.ulonglong  # what the field counts from in the source
        here: cython.ulonglong  # and in the target
        if mode != CODE_X86:
            at = (width - origin % width) % width
        # In bounds: at + width <= size wherever a field is read or written.
        while at + width <= size:
            there = source_base
            here = target_base
            if mode == CODE_X86:
                b = source[at]
                if (b & 0xFE) == 0xE8 or (b & 0xC7) == 0x05:
                    at += 1
                elif b == 0x0F and (source[at + 1] & 0xF0) == 0x80:
                    at += 2
                else:
                    at += 1
                    continue
                if at + 4 > size:
                    break
                there = (origin + at + 4) & _MASK64
                here = (landing + at + 4) & _MASK64
            elif mode == RELATIVE:
                there = (origin + at) & _MASK64
                here = (landing + at) & _MASK64
            elif mode == POINTERS:
                there = here = 0
            address = _load32(source, at)
            if width == 8:
                address |= _load32(source, at + 4) << 32
            else:
                address = (there + ((address ^ _SIGN) - _SIGN)) & _MASK64
            if not self._valid(address):
                if mode != CODE_X86:
                    at += width
                continue
            if learn:
                self._learn(address, _load32(piece, at), _load32(piece, at + 4) if width == 8 else 0, here, width == 8)
            else:
                address = (self._map(address) - here) & _MASK64
                _store32(piece, at, address)
                if width == 8:
                    _store32(piece, at + 4, address >> 32)
            at += width

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _learn(
        self,
        address: cython.ulonglong,
        low: cython.ulonglong,
        high: cython.ulonglong,
        here: cython.ulonglong,
        wide: cython.bint,
    ) -> cython.void:
        slot: cython.Py_ssize_t
        went: cython.ulonglong = (here + ((low ^ _SIGN) - _SIGN)) & _MASK64
        if wide:
            went = low | high << 32
        if self._map(address) != went:
            slot = _slot(address)
            self._keys[slot] = address ^ self._salt
            self._went[slot] = went


@cython.cfunc
@cython.inline
def _slot(address: cython.ulonglong) -> cython.Py_ssize_t:
    return cython.cast(cython.Py_ssize_t, ((address * _MULTIPLIER) & _MASK64) >> _SLOT_SHIFT)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
def _load32(piece: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
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
