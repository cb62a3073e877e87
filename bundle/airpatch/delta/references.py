# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a slot has 18 bits, as MEMORY has entries; spans and points are counted; an address below the last point
# lies in a stretch before the last one; callers of `field32` and `field64` have 4 or 8 bytes from `at` on.
"""References, as addresses: which are valid, where each leads to in the target, and what was learned about that.

All numbers are addresses in the sense of the ranges that the delta declares, computed modulo 2**64.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.zeroed_memory import ZeroedTables

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load32, load64, store32, store64
else:
    from airpatch.byte_access import load32, load64, store32, store64

PREDICT, LEARN, LABEL = 0, 1, 2  # what to do with references

MEMORY = 1 << 18  # references that a group remembers
_SLOT_SHIFT = cython.declare(cython.int, 46)  # leaves the 18 bits of a slot
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_SIGN = cython.declare(cython.ulonglong, 1 << 31)
_MULTIPLIER = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)
_PREDICT = cython.declare(cython.int, PREDICT)
_LEARN = cython.declare(cython.int, LEARN)


class Memory:
    """Where references went, shared by all groups of a delta.

    Each group has a number of its own, which takes part in the keys: what one has learned says nothing to the
    next.
    """

    def __init__(self) -> None:
        self.keys: array[int] | memoryview = array("Q")  # made when first used: most deltas declare no addresses
        self.went: array[int] | memoryview = array("Q")
        self._groups = 0

    def next_group(self) -> int:
        """Return the number of the next group with addresses, from 1 on."""
        if not self._groups:
            tables = ZeroedTables(16 * MEMORY)
            self.keys = tables.take(8 * MEMORY).cast("Q")
            self.went = tables.take(8 * MEMORY).cast("Q")
        self._groups += 1
        return self._groups


@cython.cclass
class References:
    """The references of one group: a reference whose prediction was wrong shows where its address really went.

    That is remembered in a direct-mapped table, so the next reference to the same address is right. Types are in
    references.pxd.
    """

    def __init__(self, spans: list[tuple[int, int]], points: list[tuple[int, int]], memory: Memory) -> None:
        """`spans` are the ranges of valid source addresses (first, one past the last), `points` pairs
        (source address, target address): from the first on up to the next point, addresses move alike. Both
        ascend.
        """
        self._low = array("Q", [low for low, _ in spans] or [0])
        self._high = array("Q", [high for _, high in spans] or [0])
        self._from = array("Q", [origin for origin, _ in points] or [0])
        self._to = array("Q", [to for _, to in points] or [0])
        self._spans = len(spans)
        self._points = len(points)
        self._begin, self._end = self._low[0], self._high[len(spans) - 1 if spans else 0]
        self._index_points()
        self._salt = (memory.next_group() << 48) & ((1 << 64) - 1)
        self._keys = memory.keys
        self._went = memory.went
        self._learned = bytearray(MEMORY // 8)

    @cython.cfunc
    def _index_points(self) -> cython.void:
        """Note for each stretch of addresses which point is the last one up to its beginning: stretches are about as
        many as points, and few of these lie within one.
        """
        first: cython.ulonglong = self._from[0]
        span: cython.ulonglong = self._from[len(self._from) - 1] - first
        self._stretch_bits = max(int(span).bit_length() - self._points.bit_length(), 0)
        stretches: cython.Py_ssize_t = (span >> self._stretch_bits) + 2
        self._stretches = array("I", bytes(4 * stretches))
        stretch: cython.Py_ssize_t
        point: cython.Py_ssize_t = 0
        for stretch in range(stretches):
            while (
                point + 1 < self._points
                and self._from[point + 1] - first <= cython.cast(cython.ulonglong, stretch) << self._stretch_bits
            ):
                point += 1
            self._stretches[stretch] = cython.cast(cython.uint, point)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def valid(self, address: cython.ulonglong) -> cython.bint:
        """Return whether there is something at a source address."""
        i: cython.Py_ssize_t = 0
        if not self._begin <= address < self._end:
            return False
        while i < self._spans and not self._low[i] <= address < self._high[i]:
            i += 1
        return i < self._spans

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def map(self, address: cython.ulonglong) -> cython.ulonglong:
        """Return where a source address leads to in the target."""
        slot: cython.Py_ssize_t = _slot(address)
        if self._learned[slot >> 3] >> (slot & 7) & 1 and self._keys[slot] == address ^ self._salt:
            return self._went[slot]
        if self._points == 0 or address < self._from[0]:
            return address
        # The last point that is not above the address, found without a branch, which could not be predicted.
        origins: cython.p_ulonglong = cython.address(self._from[0]) if cython.compiled else self._from
        last: cython.Py_ssize_t = self._points - 1
        stretch: cython.Py_ssize_t
        size: cython.Py_ssize_t
        half: cython.Py_ssize_t
        if address < origins[last]:
            stretch = cython.cast(cython.Py_ssize_t, (address - origins[0]) >> self._stretch_bits)
            last = self._stretches[stretch]
            size = self._stretches[stretch + 1] - last + 1
            while size > 1:
                half = size >> 1
                last += half & -cython.cast(cython.Py_ssize_t, origins[last + half] <= address)
                size -= half
        return (self._to[last] + (address - origins[last])) & _MASK64

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def learn(self, address: cython.ulonglong, went: cython.ulonglong) -> cython.void:
        """Remember where a source address leads to, if that is not where it is mapped."""
        slot: cython.Py_ssize_t
        if self.map(address) != went:
            slot = _slot(address)
            self._keys[slot] = address ^ self._salt
            self._went[slot] = went
            self._learned[slot >> 3] |= 1 << (slot & 7)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def field64(
        self, source: cython.p_const_uchar, piece: cython.p_uchar, at: cython.Py_ssize_t, task: cython.int
    ) -> cython.void:
        """Carry out the task for the 64-bit address at `at`, if it is valid."""
        address: cython.ulonglong = load64(source, at)
        if not self.valid(address):
            return
        if task == _LEARN:
            self.learn(address, load64(piece, at))
        else:
            store64(piece, at, self.map(address))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def field32(
        self,
        source: cython.p_const_uchar,
        piece: cython.p_uchar,
        at: cython.Py_ssize_t,
        task: cython.int,
        there: cython.ulonglong,
        here: cython.ulonglong,
    ) -> cython.bint:
        """Carry out the task for the signed 32-bit field at `at`, which counts from `there` in the source and from
        `here` in the target; return whether it means a valid address.
        """
        address: cython.ulonglong = (there + ((load32(source, at) ^ _SIGN) - _SIGN)) & _MASK64
        if not self.valid(address):
            return False
        if task == _LEARN:
            self.learn(address, (here + ((load32(piece, at) ^ _SIGN) - _SIGN)) & _MASK64)
        else:
            store32(piece, at, (self.map(address) - (here if task == _PREDICT else 0)) & _MASK64)
        return True


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _slot(address: cython.ulonglong) -> cython.Py_ssize_t:
    return cython.cast(cython.Py_ssize_t, ((address * _MULTIPLIER) & _MASK64) >> _SLOT_SHIFT)
