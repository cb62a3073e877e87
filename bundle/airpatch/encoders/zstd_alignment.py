# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# In bounds: covers are counted, and `_order` numbers them; a record's number is below `_matches`, whole records of
# the view; regions are masked.
"""Offsets of matches foretold by another frame whose content is nearly the same (spec/ENCODERS.md, Decisions).

Covers say which bytes of the source the target's bytes are. Where the source has a match, the target is taken to have
one, from the place that the source's match copies. Bytes out of mapped files: nothing here is trusted.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load32, load64
else:
    from airpatch.byte_access import load32, load64

RECORD = 16
"""Bytes of a match in the source: where it begins (8 bytes), its length (4), its offset (4)."""
REGION_BITS = 12
REGIONS = 1 << 16
"""Stretches of the source, of 4 KiB each, of which is remembered where matches out of them come from instead."""
_REGION_BITS = cython.declare(cython.int, REGION_BITS)
_REGION_MASK = cython.declare(cython.longlong, REGIONS - 1)
_UNKNOWN = cython.declare(cython.longlong, -(1 << 62))
_RECORD = cython.declare(cython.Py_ssize_t, RECORD)


@cython.cclass
class Alignment:
    """Foretells offsets, for matches in ascending order.

    The n-th cover says that `lengths[n]` bytes from `targets[n]` on are those from `sources[n]` on, nearly; they are
    in the target's order. `records` are the matches of the source. Types are in zstd_alignment.pxd.
    """

    def __init__(
        self, targets: array[int], sources: array[int], lengths: array[int], records: bytes | memoryview
    ) -> None:
        none = array("q", (0,))
        self._count = len(targets)
        self._targets = targets or none
        self._sources = sources or none
        self._lengths = lengths or none
        self._order = array("q", sorted(range(len(sources)), key=sources.__getitem__)) or none
        view = memoryview(records).cast("B")
        self._held = view
        self._records = view if len(view) else memoryview(bytes(RECORD))
        self._matches = len(view) // RECORD
        self._cover = 0
        self._match = 0
        self._lost = _UNKNOWN
        self.exact = False
        self._shifts = array("q", [_UNKNOWN]) * (REGIONS if self._count else 1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def offset(self, position: cython.longlong) -> cython.longlong:
        """Return the offset foretold for a match that begins at `position` of the target; 0 if there is none.

        It is `exact` if the source has a match that begins there, too, and what this copies is in the target.
        """
        source: cython.longlong
        begin: cython.longlong
        length: cython.longlong
        offset: cython.longlong
        origin: cython.longlong
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        middle: cython.Py_ssize_t
        records: cython.p_uchar = (
            cython.cast(cython.p_uchar, cython.address(self._records[0])) if cython.compiled else self._records
        )
        i: cython.Py_ssize_t = self._cover
        self._lost = _UNKNOWN
        self.exact = False
        while i < self._count and self._targets[i] + self._lengths[i] <= position:
            i += 1
        self._cover = i
        if i >= self._count or self._targets[i] > position:
            return 0
        source = self._sources[i] + position - self._targets[i]
        low = self._find(source)
        if low < 0:
            return 0
        begin = self._begin(low)
        length = load32(records, _RECORD * low + 8)
        offset = load32(records, _RECORD * low + 12)
        if source >= begin + length:
            return 0
        origin = source - offset
        self.exact = begin == source
        if origin >= self._sources[i]:
            return offset
        low = 0
        high = self._count
        while low < high:
            middle = (low + high) // 2
            if self._sources[self._order[middle]] <= origin:
                low = middle + 1
            else:
                high = middle
        if low:
            i = self._order[low - 1]
            if origin < self._sources[i] + self._lengths[i]:
                origin = self._targets[i] + origin - self._sources[i]
                return position - origin if origin < position else offset
        self._lost = origin
        self.exact = False
        origin += self._shifts[origin >> _REGION_BITS & _REGION_MASK]
        return position - origin if 0 <= origin < position else offset

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def learn(self, position: cython.longlong, offset: cython.longlong) -> cython.void:
        """Take the offset that the match at `position` has, for which one has just been foretold."""
        if self._lost != _UNKNOWN:
            self._shifts[self._lost >> _REGION_BITS & _REGION_MASK] = position - offset - self._lost

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _find(self, source: cython.longlong) -> cython.Py_ssize_t:
        """Return the last match that does not begin after `source`, -1 if there is none."""
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        middle: cython.Py_ssize_t
        step: cython.Py_ssize_t = 1
        low = self._match
        if self._matches == 0:
            return -1
        if self._begin(low) <= source:  # near the last one, mostly
            high = low + 1
            while high < self._matches and self._begin(high) <= source:
                low = high
                high += step
                step *= 2
            high = min(high, self._matches)
        else:
            high = low
            low = 0
            if self._begin(0) > source:
                return -1
        while high - low > 1:
            middle = (low + high) // 2
            if self._begin(middle) <= source:
                low = middle
            else:
                high = middle
        self._match = low
        return low

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _begin(self, match: cython.Py_ssize_t) -> cython.longlong:
        records: cython.p_uchar = (
            cython.cast(cython.p_uchar, cython.address(self._records[0])) if cython.compiled else self._records
        )
        return cython.cast(cython.longlong, load64(records, _RECORD * match))


def no_alignment() -> Alignment:
    """Return what foretells nothing."""
    return Alignment(array("q"), array("q"), array("q"), b"")
