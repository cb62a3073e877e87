# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `_append` slides before the buffer is full, so `_end` <= _SIZE, and 8 bytes follow it; a hash has 15
# bits, a link's place 16; a match ends at `_end` and begins in the window, which tokens and columns are checked for.
"""Uncompressed data around the next token, and for each position the nearest one before it that looks like it.

Encoders mostly take the nearest of the places that offer the length they want. So where a match comes from is told by
its *rank*: how many nearer places hold the same bytes, as far as a walk along links sees them (spec/DEFLATE.md, Ranks).
"""

from __future__ import annotations

from array import array

import cython

from airpatch.deflate.tables import WINDOW

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load32, load64
else:
    from airpatch.byte_access import load32, load64

SPAN = 1 << 17  # uncompressed bytes that may be appended at once
UNRANKED = 255  # in place of a rank

# The buffer slides by pairs of windows, so up to three windows of history stay.
_SIZE = cython.declare(cython.Py_ssize_t, 3 * WINDOW + 2 * SPAN)
_WINDOW = cython.declare(cython.Py_ssize_t, WINDOW)
_RING = cython.declare(cython.Py_ssize_t, 2 * WINDOW - 1)  # 0xFFFF, a constant of C in the loops below
_MIN_HASHED = cython.declare(cython.Py_ssize_t, 4)  # bytes that go into a hash
_HOPS = cython.declare(cython.int, 256)  # links of a chain that are followed
_UNRANKED = cython.declare(cython.int, UNRANKED)

# Of Knuth's multiplicative hash: a prime near 2 ** 32 divided by the golden ratio.
_MULTIPLIER = cython.declare(cython.uint, 2654435761)
_ALL_BITS = cython.declare(cython.uint, 0xFFFFFFFF)


@cython.cclass
class MatchWindow:
    """`_buffer[_start:_at]` are bytes that matches may copy from, `_buffer[_at:_end]` bytes not yet covered by tokens.

    `_links` is a ring over positions, some of them ahead of `_at`: how far back the nearest position lies whose four
    bytes have the same hash, 0 if not within the window. Types are in match_window.pxd; `view` is always the buffer.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(_SIZE + 8)  # words and literals are taken by eight
        self._start = 0
        self._at = 0
        self._end = 0
        self._indexed = 0  # positions before this one have their links
        self._newest = array("H", bytes(2 << 15))  # last position of each hash, modulo 2 ** 16
        self._links = array("H", bytes(2 * 2 * WINDOW))

    def restart(self) -> None:
        """Begin a new deflate stream, which cannot refer to what came before."""
        self._start = self._at

    def _append(self, data: bytes) -> None:
        """Add uncompressed data, at most SPAN bytes while fewer than SPAN wait for tokens."""
        if self._end + len(data) > _SIZE:
            self._slide()
        self._buffer[self._end : self._end + len(data)] = data
        self._end += len(data)

    def _slide(self) -> None:
        """Drop what the window does not reach, by whole turns of the ring, so that it keeps its order."""
        self._index(self._buffer, self._at)
        shift: cython.Py_ssize_t = (self._at - _WINDOW) & ~_RING
        if shift <= 0:
            return
        self._buffer[: self._end - shift] = self._buffer[shift : self._end]
        self._start = max(0, self._start - shift)
        self._at -= shift
        self._end -= shift
        self._indexed -= shift

    def _index(self, view: cython.p_uchar, at: cython.Py_ssize_t) -> cython.void:
        """Give positions their links, up to a window ahead, as far as four bytes of each are known."""
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        links: cython.p_ushort = cython.address(self._links[0]) if cython.compiled else self._links
        i: cython.Py_ssize_t
        bucket: cython.uint
        link: cython.uint
        begin: cython.Py_ssize_t = self._indexed
        end: cython.Py_ssize_t = min(at + _WINDOW, self._end - _MIN_HASHED + 1)
        if begin >= end:
            return
        word: cython.uint = load32(view, begin) << 8 & _ALL_BITS
        for i in range(begin, end):
            word = word >> 8 | cython.cast(cython.uint, view[i + 3]) << 24
            bucket = (word * _MULTIPLIER & _ALL_BITS) >> 17
            link = i - newest[bucket] & 0xFFFF
            # 0 if over 0x8000, by arithmetic: a branch could not be predicted.
            links[i & 0xFFFF] = link & (link - 0x8001 & _ALL_BITS) >> 16
            newest[bucket] = i & 0xFFFF
        self._indexed = end

    def _rank(
        self, view: cython.p_uchar, at: cython.Py_ssize_t, length: cython.Py_ssize_t, distance: cython.Py_ssize_t
    ) -> cython.int:
        """Return the rank of the match `distance` back, or UNRANKED if it is not among the first links."""
        if at >= self._indexed:
            self._index(view, at)
        place: cython.Py_ssize_t = at
        source: cython.Py_ssize_t = at - distance
        links: cython.p_ushort = cython.address(self._links[0]) if cython.compiled else self._links
        link: cython.Py_ssize_t
        rank: cython.int = 0
        for _ in range(_HOPS):
            link = links[place & 0xFFFF]
            place -= link
            if link == 0 or place < source:
                break
            if place == source:
                return min(rank, _UNRANKED)
            rank += _equal(view, place, at, length)
        return _UNRANKED

    def _distance(
        self, view: cython.p_uchar, at: cython.Py_ssize_t, length: cython.Py_ssize_t, rank: cython.int
    ) -> cython.Py_ssize_t:
        """Return the distance of the match with this rank, 0 if there is none among the first links."""
        if at >= self._indexed:
            self._index(view, at)
        place: cython.Py_ssize_t = at
        oldest: cython.Py_ssize_t = max(self._start, at - _WINDOW)
        links: cython.p_ushort = cython.address(self._links[0]) if cython.compiled else self._links
        link: cython.Py_ssize_t
        for _ in range(_HOPS):
            link = links[place & 0xFFFF]
            place -= link
            if link == 0 or place < oldest:
                break
            if _equal(view, place, at, length):
                if rank == 0:
                    return at - place
                rank -= 1
        return 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _equal(
    view: cython.p_uchar, left: cython.Py_ssize_t, right: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.bint:
    """Compare four bytes or more; the last four first, where places of equal hash mostly differ."""
    i: cython.Py_ssize_t
    if load32(view, left + length - 4) != load32(view, right + length - 4):
        return False
    if length <= 8:
        return load32(view, left) == load32(view, right)
    for i in range(0, length - 8, 8):
        if load64(view, left + i) != load64(view, right + i):
            return False
    return load64(view, left + length - 8) == load64(view, right + length - 8)
