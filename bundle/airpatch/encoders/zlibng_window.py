# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: behind the bytes of the window there is room for a longest match and a word; what is compared begins below
# `_SPAN`. A candidate lies above the `limit`, so bytes before it, as many as it is moved back, are within the window.
"""The window of zlib-ng over the uncompressed data, its hash chains, and the longest match in it.

That is `insert_string_tpl.h` and `match_tpl.h` of zlib-ng 2.2.5 (Jean-loup Gailly, Mark Adler, Konstantin Nosov and
others, zlib licence), reimplemented here. Positions are indexes into the window, 0 stands for none.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders.zlibng_levels import Traits

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, load32, load64
    from cython.cimports.airpatch.encoders.zlib_chains import RING, slide
else:
    from airpatch.byte_access import common, load32, load64
    from airpatch.encoders.zlib_chains import RING, slide

_WINDOW = cython.declare(cython.int, 1 << 15)
_SPAN = cython.declare(cython.int, 2 << 15)
_MAX_MATCH = cython.declare(cython.int, 258)
_FARTHEST = cython.declare(cython.int, (1 << 15) - (258 + 3 + 1))  # distance of a match
_HASHES = 1 << 16
_ROLLING_MASK = cython.declare(cython.uint, (1 << 15) - 1)
_FACTOR = cython.declare(cython.uint, 2654435761)
_MASK16 = cython.declare(cython.uint, 0xFFFF)
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)
_HASHED = cython.declare(cython.int, 3)  # bytes that the rolling hash depends on


@cython.cclass
class ZlibNgWindow:
    """Two windows of uncompressed data, of which the older one is dropped when both are full. Types are in
    zlibng_window.pxd.

    `_end` is where the uncompressed data ends, `_found` where the match begins that was found last, `steps` how many
    candidates have been looked at.
    """

    # The window's upper half keeps what was there before when it slides, and both begin as zeros: a search looks at
    # what follows the uncompressed data, too, and in versions before 2.3 what it finds there decides.

    def __init__(self, traits: Traits) -> None:
        search = traits.search
        self._uncompressed = memoryview(bytearray(_SPAN + _MAX_MATCH + 8))
        self._window = self._uncompressed
        self._newest = array("H", bytes(2 * _HASHES))
        self._older = array("H", bytes(2 * _WINDOW))
        self._rolling = traits.is_rolling
        self._stops_at_end = traits.stops_at_end
        self._hurried = traits.is_hurried
        self._good = search.good
        self._nice = search.nice
        self._chain = search.chain
        self._found = self._end = self._rolled = 0
        self.steps = 0

    @cython.cfunc
    def drop_half(self) -> cython.void:
        """Drop the older half of the window, and the positions in it."""
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        self._uncompressed[:_WINDOW] = self._uncompressed[_WINDOW:_SPAN]
        self._found = max(self._found - _WINDOW, 0)
        self._end -= _WINDOW
        slide(newest, _HASHES, _WINDOW)
        slide(older, _WINDOW, _WINDOW)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def enter(self, index: cython.int) -> cython.int:
        """Put the byte at `index` at the head of its chain, unless it is there; return the former head, or 0.

        The rolling hash goes on from the byte entered before, which is the one before `index`.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        slot: cython.uint
        head: cython.int
        if self._rolling:
            slot = _roll(self._rolled, window[index + 2])
            self._rolled = slot
        else:
            slot = (load32(window, index) * _FACTOR & _MASK32) >> 16
        head = newest[slot]
        if head != index:
            self._older[index & RING] = head
            newest[slot] = index
        return head

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def enter_range(self, begin: cython.int, end: cython.int) -> cython.void:
        """Enter all bytes from `begin` to `end`."""
        index: cython.int
        for index in range(begin, end):
            self.enter(index)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def longest(self, index: cython.int, candidate: cython.int, ahead: cython.int, before: cython.int) -> cython.int:
        """Follow a chain for a match over `before` bytes, at least 2, at `index`, and set `_found`; return its length.

        If there is none, that is `before`. `ahead` are the bytes that there are.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        best: cython.int = before
        most: cython.int = self._chain >> 2 if best >= self._good else self._chain
        chain: cython.int = most
        limit: cython.int = max(index - _FARTHEST, 0)
        length: cython.int
        try:
            while candidate < index:
                while not _may_be_longer(window, candidate, index, best):
                    chain -= 1
                    candidate = older[candidate & RING]
                    if chain == 0 or candidate <= limit:
                        return best
                length = common(window, candidate, window, index, _MAX_MATCH)
                if length > best:
                    self._found = candidate
                    if length > ahead or (length == ahead and self._stops_at_end):
                        return ahead
                    best = length
                    if best >= self._nice:
                        return best
                elif self._hurried:
                    return best
                chain -= 1
                candidate = older[candidate & RING]
                if chain == 0 or candidate <= limit:
                    return best
            return best
        finally:
            self.steps += most - chain + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def longest_of_all(
        self, index: cython.int, candidate: cython.int, ahead: cython.int, before: cython.int
    ) -> cython.int:
        """As `longest`, with the rolling hash: of the chains of all bytes of a match, follow the one that goes back
        farthest.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        newest: cython.p_ushort = cython.address(self._newest[0]) if cython.compiled else self._newest
        older: cython.p_ushort = cython.address(self._older[0]) if cython.compiled else self._older
        best: cython.int = before
        most: cython.int = self._chain >> 2 if best >= self._good else self._chain
        chain: cython.int = most
        nearest: cython.int = max(index - _FARTHEST, 0)
        limit: cython.int = nearest
        moved: cython.int = 0  # a candidate is so far behind the begin of its match
        length: cython.int
        at: cython.int
        other: cython.int
        following: cython.int
        slot: cython.uint
        try:
            if best >= _HASHED:
                slot = _roll(_roll(0, window[index + 1]), window[index + 2])
                for at in range(3, best + 1):
                    slot = _roll(slot, window[index + at])
                    other = newest[slot]
                    if other < candidate:
                        moved = at - 2
                        candidate = other
                limit = nearest + moved
                if candidate <= limit:
                    return min(best, ahead)
            while candidate < index:
                while not _may_be_longer(window, candidate - moved, index, best):
                    chain -= 1
                    candidate = older[candidate & RING]
                    if chain == 0 or candidate <= limit:
                        return best
                length = common(window, candidate - moved, window, index, _MAX_MATCH)
                if length > best:
                    self._found = candidate - moved
                    if length > ahead or (length == ahead and self._stops_at_end):
                        return ahead
                    best = length
                    if best >= self._nice:
                        return best
                    if length > _HASHED and candidate - moved + length < index:
                        candidate -= moved
                        moved = 0
                        following = candidate
                        for at in range(length - _HASHED + 1):
                            other = older[candidate + at & RING]
                            if other < following:
                                if other <= nearest + at:
                                    return min(best, ahead)
                                following = other
                                moved = at
                        candidate = following
                        at = index + length - (_HASHED + 1)
                        slot = _roll(_roll(_roll(0, window[at]), window[at + 1]), window[at + 2])
                        other = newest[slot]
                        if other < candidate:
                            moved = length - (_HASHED + 1)
                            if other <= nearest + moved:
                                return min(best, ahead)
                            candidate = other
                        limit = nearest + moved
                        continue
                chain -= 1
                candidate = older[candidate & RING]
                if chain == 0 or candidate <= limit:
                    return best
            return best
        finally:
            self.steps += most - chain + 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _roll(hash_: cython.uint, byte: cython.uint) -> cython.uint:
    return (hash_ << 5 ^ byte) & _ROLLING_MASK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _may_be_longer(window: cython.p_uchar, candidate: cython.int, index: cython.int, best: cython.int) -> cython.bint:
    """Whether the first and the last bytes of a match over `best` bytes agree: two, four or eight of each.

    A hurried search ends with the first candidate of which they do, but that is no longer.
    """
    if best < 4:
        return (load32(window, candidate) ^ load32(window, index)) & _MASK16 == 0 and (
            load32(window, candidate + best - 1) ^ load32(window, index + best - 1)
        ) & _MASK16 == 0
    if best < 8:
        return load32(window, candidate + best - 3) == load32(window, index + best - 3) and load32(
            window, candidate
        ) == load32(window, index)
    return load64(window, candidate + best - 7) == load64(window, index + best - 7) and load64(
        window, candidate
    ) == load64(window, index)
