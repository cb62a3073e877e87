"""Long matches between a target and many sources, in one pass over each.

A position is an *anchor* where the rolling hash of the 64 bytes before it begins with a fixed number of zero
bits. The content alone decides, so equal regions have equal anchors wherever they lie, and only anchors are
indexed: 8 bytes for each 2**spacing bytes of source, on average. A hit is compared byte by byte and extended
both ways; therefore hash collisions cost time, never correctness. Runs and periodic data have few different
hashes, of which the first is kept.

The hash is Gear (Wen Xia et al., "Ddelta", 2014): h = 2h + G[byte] mod 2**64.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

import cython

from airpatch.delta.source_space import Space
from airpatch.gear import WORDS

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, common_before
    from cython.cimports.airpatch.prefetch import fetch
else:
    from airpatch.byte_access import common, common_before
    from airpatch.prefetch import fetch

# Declared, so that the loops below compute with C numbers.
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_WINDOW = cython.declare(cython.int, 64)  # bytes that the 64-bit Gear hash covers: older ones are shifted out
# Bits of a table entry: sources of 1 TiB in all; the other 24 bits are a tag of the hash.
_POSITION_BITS = cython.declare(cython.int, 40)
_TAG_MASK = cython.declare(cython.ulonglong, (1 << 24) - 1)
_POSITION_MASK = cython.declare(cython.ulonglong, (1 << 40) - 1)
_PROBES = cython.declare(cython.int, 16)  # slots looked at before an anchor is given up
_TOGETHER = cython.declare(cython.int, 32)  # anchors whose slots are asked for before the first of them is entered
_RELEASE_EVERY = 1 << 25  # bytes between two calls of `release_pages`


@cython.cclass
class Anchors:
    """The anchors of all sources in one hash table of `entries` words of 8 bytes (a power of two)."""

    _space: Space
    _table: cython.ulonglong[::1]
    _slot_bits: cython.int
    _spacing: cython.int
    _hashes: cython.ulonglong[::1]
    _ends: cython.ulonglong[::1]

    def __init__(self, space: Space, entries: int, release_pages: Callable[[], None]) -> None:
        self._space = space
        spacing = 6
        while space.size >> (spacing - 1) > entries:  # at most half full on average
            spacing += 1
        slots = 1 << 10
        while slots < entries and slots < space.size >> (spacing - 1):
            slots *= 2
        self._spacing = spacing
        self._slot_bits = slots.bit_length() - 1
        self._table = array("Q", [0]) * slots
        self._hashes, self._ends = (array("Q", [0]) * _TOGETHER for _ in range(2))
        for base, source in zip(space.bases, space.sources, strict=True):
            for start in range(0, len(source), _RELEASE_EVERY):
                self._fill(source, start, min(len(source), start + _RELEASE_EVERY), base)
                release_pages()

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _fill(
        self,
        source: cython.const[cython.uchar][::1],
        start: cython.longlong,
        stop: cython.longlong,
        base: cython.longlong,
    ) -> cython.void:
        gear: cython.ulonglong[::1] = WORDS
        table: cython.p_ulonglong = cython.address(self._table[0]) if cython.compiled else self._table
        mask: cython.Py_ssize_t = len(self._table) - 1
        h: cython.ulonglong = 0
        limit: cython.ulonglong = cython.cast(cython.ulonglong, 1) << (64 - self._spacing)
        i: cython.longlong
        first: cython.longlong = start - _WINDOW if start >= _WINDOW else 0
        whole: cython.longlong = first + _WINDOW  # the hash covers a whole window from here on
        count: cython.int = 0
        # In bounds: first <= i < stop <= len(source) as the caller cuts it, a byte indexes 256 words, slots
        # are masked, count < _TOGETHER.
        with cython.nogil:
            for i in range(first, stop):
                h = (h + h + gear[source[i]]) & _MASK64
                if h < limit and i + 1 >= whole:
                    fetch(table, cython.cast(cython.Py_ssize_t, h) & mask)
                    self._hashes[count] = h
                    self._ends[count] = cython.cast(cython.ulonglong, base + i + 1)
                    count += 1
                    if count == _TOGETHER:
                        self._enter(count)
                        count = 0
            self._enter(count)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, count: cython.int) -> cython.void:
        """Enter the first `count` anchors that wait, in their order: of equal ones the first is kept."""
        # In bounds: slots are masked, count <= _TOGETHER.
        table: cython.ulonglong[::1] = self._table
        mask: cython.Py_ssize_t = len(table) - 1
        slot: cython.Py_ssize_t
        tag: cython.ulonglong
        probes: cython.int
        i: cython.int
        for i in range(count):
            slot = cython.cast(cython.Py_ssize_t, self._hashes[i]) & mask
            tag = _tag(self._hashes[i], self._slot_bits)
            probes = 0
            while table[slot] != 0 and probes < _PROBES and table[slot] >> _POSITION_BITS != tag:
                slot = (slot + 1) & mask
                probes += 1
            if table[slot] == 0:
                table[slot] = tag << _POSITION_BITS | self._ends[i]

    def matches(self, target: memoryview, start: int, stop: int, minimum: int) -> array[int]:
        """Return the matches in target[start:stop] of `minimum` bytes and more.

        They are triples (target offset, source position, length), ascend in the target and do not overlap
        there; each is exact and within one source.
        """
        found = array("q")
        self._scan(target, start, min(stop, len(target)), minimum, found)
        return found

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _scan(
        self,
        target: cython.const[cython.uchar][::1],
        start: cython.longlong,
        stop: cython.longlong,
        minimum: cython.longlong,
        found: array[int],
    ) -> cython.void:
        gear: cython.ulonglong[::1] = WORDS
        table: cython.ulonglong[::1] = self._table
        h: cython.ulonglong = 0
        limit: cython.ulonglong = cython.cast(cython.ulonglong, 1) << (64 - self._spacing)
        mask: cython.Py_ssize_t = len(table) - 1
        floor: cython.longlong = start  # the end of the last match: nothing before it is looked at again
        delta: cython.longlong = 0  # source position minus target offset of the last match
        # The source that was compared last, and its positions.
        source: cython.const[cython.uchar][::1] = target[:0]
        low: cython.longlong = 0
        high: cython.longlong = -1
        position: cython.longlong
        back: cython.longlong = 0
        length: cython.longlong
        i: cython.longlong = start
        whole: cython.longlong = i + _WINDOW
        slot: cython.Py_ssize_t
        tag: cython.ulonglong
        probes: cython.int
        # In bounds: i < stop <= len(target), see _fill for the others; positions lie within the source.
        with cython.nogil:
            while i < stop:
                h = (h + h + gear[target[i]]) & _MASK64
                i += 1
                # A window after the last match there may be no anchor, as in zeros, and yet it goes on.
                if i < whole or (i > whole and h >= limit):
                    continue
                length = 0
                position = i + delta
                if low <= position <= high:  # where the last match would go on
                    back = _back(target, floor, i, source, position - low)
                    length = back + _forth(target, i, stop, source, position - low)
                if length < minimum:
                    if h >= limit:
                        continue
                    slot = cython.cast(cython.Py_ssize_t, h) & mask
                    tag = _tag(h, self._slot_bits)
                    probes = 0
                    while table[slot] != 0 and probes < _PROBES and table[slot] >> _POSITION_BITS != tag:
                        slot = (slot + 1) & mask
                        probes += 1
                    if table[slot] == 0 or probes == _PROBES:
                        continue
                    position = cython.cast(cython.longlong, table[slot] & _POSITION_MASK)
                    if position < low or position > high:
                        with cython.gil:
                            number = self._space.locate(position - 1)  # of the anchor's last byte
                            source = self._space.sources[number]
                            low = self._space.bases[number]
                            high = low + len(source)
                    back = _back(target, floor, i, source, position - low)
                    length = back + _forth(target, i, stop, source, position - low)
                if length < minimum:
                    continue
                delta = position - i
                with cython.gil:
                    found.extend((i - back, position - back, length))
                i += length - back
                floor = i
                whole = i + _WINDOW
                h = 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _tag(h: cython.ulonglong, slot_bits: cython.int) -> cython.ulonglong:
    """Return 24 bits of the hash that the slot number does not hold; the top bits of an anchor are zero."""
    return (h >> slot_bits) & _TAG_MASK


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _back(
    target: cython.const[cython.uchar][::1],
    floor: cython.longlong,
    at: cython.longlong,
    source: cython.const[cython.uchar][::1],
    where: cython.longlong,
) -> cython.longlong:
    """Count the bytes that agree before target[at], not before `floor`, and source[where]."""
    # In bounds: callers give floor <= at <= len(target), 0 <= where <= len(source).
    left: cython.p_const_uchar = cython.address(target[0]) if cython.compiled else target
    right: cython.p_const_uchar = cython.address(source[0]) if cython.compiled else source
    return common_before(left, at, right, where, min(at - floor, where))


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _forth(
    target: cython.const[cython.uchar][::1],
    at: cython.longlong,
    stop: cython.longlong,
    source: cython.const[cython.uchar][::1],
    where: cython.longlong,
) -> cython.longlong:
    """Count the bytes that agree from target[at], before `stop`, and source[where]."""
    # In bounds: callers give at <= stop <= len(target), 0 <= where <= len(source).
    left: cython.p_const_uchar = cython.address(target[0]) if cython.compiled else target
    right: cython.p_const_uchar = cython.address(source[0]) if cython.compiled else source
    return common(left, at, right, where, min(stop - at, len(source) - where))
