# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `_try` loads words only of places less than `_reach` before the index, which the buffer holds, and 4
# bytes before `_end` at the latest; hashes have the bits of their tables.
"""Match search of klauspost/compress zstd at its level best, from 1.16.4 on.

The decisions are those of `zstd/enc_best.go` (Klaus Post, BSD), reimplemented here: of a dozen candidates, at the byte
and at those that follow, the one is taken that saves most. The offsets of earlier matches are tried once a block has
three sequences.
"""

from __future__ import annotations

from enum import IntEnum

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, common_before, load32, load64
    from cython.cimports.airpatch.encoders.kzstd_best_matcher import LONG_BITS, SHORT_BITS, BestTables
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import hash4, hash8, high32, low32, pair
else:
    from airpatch.byte_access import common, common_before, load32, load64
    from airpatch.encoders.kzstd_best_matcher import LONG_BITS, SHORT_BITS, BestTables
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import hash4, hash8, high32, low32, pair

_NO_GAIN = cython.declare(cython.int, 131074 * 8)
_GOOD = cython.declare(cython.int, 250)  # a match so long is taken
_SKIP = cython.declare(cython.int, 2)
_NEW = cython.declare(cython.int, -1)  # not the offset of an earlier match
_NO_LITERALS = cython.declare(cython.int, 4)  # added to which offset it is if no literals come first


class Backwards(IntEnum):
    """Which candidates are extended backwards."""

    NEW = 0  # those without an earlier match's offset (before 1.17.3)
    ALL = 1  # before 1.17.6
    UNLESS_REPEATED = 2  # those that challenge no match with such an offset


_BACK_NEW = cython.declare(cython.int, Backwards.NEW)
_BACK_ALL = cython.declare(cython.int, Backwards.ALL)
_BACK_UNLESS_REPEATED = cython.declare(cython.int, Backwards.UNLESS_REPEATED)


@cython.cclass
class BestMatcher(BestTables):
    """All tries at a byte, then the best of them.

    `enters_last`: what a block's last match covers is entered, too (from 1.17.3 on). `runs`: a block of one byte
    repeated is told first (from 1.17.8 on).
    """

    _backwards: cython.int
    _enters_last: cython.bint
    _runs: cython.bint
    _at: cython.int  # the best match so far: what it copies,
    _index: cython.int  # where to,
    _length: cython.int
    _repeat: cython.int  # which earlier match's offset it has, if any,
    _gain: cython.int  # and its cost in bits less that of literals
    _literal: cython.int
    _emitted: cython.int

    def __init__(
        self,
        reach: int,
        backwards: Backwards = Backwards.UNLESS_REPEATED,
        enters_last: bool = True,
        runs: bool = True,
    ) -> None:
        super().__init__(reach)
        self._backwards = backwards
        self._enters_last = enters_last
        self._runs = runs

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try(self, at: cython.int, index: cython.int, repeat: cython.int) -> cython.void:
        """Take the match of the bytes at `index` with those at `at` if it is better than the best so far."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        length: cython.int
        ahead: cython.int
        back: cython.int
        gain: cython.int
        offset: cython.uint
        if index - at >= self._reach or index - at <= 0 or load32(window, at) != load32(window, index):
            return
        if self._length > 16:
            if self._end <= self._index + self._length:
                return
            ahead = self._length - (index - self._index) - 8
            if (
                self._end - self._index - self._length > 2
                and ahead > 4
                and load32(window, at + ahead) != load32(window, index + ahead)
            ):
                return
        length = 4 + common(window, index + 4, window, at + 4, self._end - index - 4)
        if (
            self._backwards == _BACK_ALL
            or (self._backwards == _BACK_NEW and repeat < 0)
            or (self._backwards == _BACK_UNLESS_REPEATED and self._repeat <= 0)
        ):
            back = common_before(
                window, index, window, at, min(at - max(index - self._reach, 0), index - self._emitted)
            )
            index -= back
            at -= back
            length += back
        offset = index - at + 3
        if repeat >= 0:
            offset = repeat if self._backwards == _BACK_NEW else repeat & 3
        gain = self._cost(offset, length) - ((length * self._literal) >> 10)
        if gain > 0:
            length = 0
            gain = _NO_GAIN
        if self._gain >= _NO_GAIN or gain - self._gain + (((index - self._index) * self._literal) >> 10) < 0:
            self._at = at
            self._index = index
            self._length = length
            self._repeat = repeat
            self._gain = gain

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try_both(self, entry: cython.ulonglong, index: cython.int) -> cython.void:
        """Try both positions of an entry, the newer one first."""
        self._try(cython.cast(cython.int, low32(entry)) - self._base, index, _NEW)
        self._try(cython.cast(cython.int, high32(entry)) - self._base, index, _NEW)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, found: Sequences, begin: cython.int) -> cython.void:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        short: cython.p_ulonglong = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_ulonglong = cython.address(self._long[0]) if cython.compiled else self._long
        base: cython.int = self._base
        limit: cython.int = self._end - 12
        index: cython.int = begin
        offset: cython.int = 0
        second: cython.int = 0
        third: cython.int = 0
        end: cython.int
        at: cython.int
        short_slot: cython.uint
        long_slot: cython.uint
        short_entry: cython.ulonglong
        long_entry: cython.ulonglong
        word: cython.ulonglong
        if self._runs and self._take_run(found, begin):
            return
        if self._end - begin < 16:
            self._take_rest(found, begin)
            return
        self._literal = self._bits_per_byte(begin)
        self._emitted = begin
        while True:
            word = load64(window, index)
            long_slot = hash8(word, LONG_BITS)
            short_slot = hash4(word, SHORT_BITS)
            long_entry = long[long_slot]
            short_entry = short[short_slot]
            self._at = 0
            self._index = index
            self._length = 0
            self._repeat = 0
            self._gain = _NO_GAIN
            self._try_both(long_entry, index)
            self._try_both(short_entry, index)
            if found.count > 2 and self._length < _GOOD:
                if index == self._emitted:
                    self._try(index - second, index, 1 | _NO_LITERALS)
                    self._try(index - third, index, 2 | _NO_LITERALS)
                    if offset > 1:
                        self._try(index - (offset - 1), index, 3 | _NO_LITERALS)
                if self._repeat <= 0:
                    self._try(index + 1 - offset, index + 1, 1)
                    self._try(index + 1 - second, index + 1, 2)
                    self._try(index + 1 - third, index + 1, 3)
                    if self._repeat < 0:
                        self._try(index + 3 - offset, index + 3, 1)
                        self._try(index + 3 - second, index + 3, 2)
                        self._try(index + 3 - third, index + 3, 3)
            long[long_slot] = pair(long_entry, index + base)
            short[short_slot] = pair(short_entry, index + base)
            if self._length < _GOOD:
                if self._length < 4:
                    index += 1 + ((index - self._emitted) >> 9)
                    if index >= limit:
                        break
                    continue
                short_entry = short[hash4(word >> 8, SHORT_BITS)]
                self._try(cython.cast(cython.int, low32(short_entry)) - base, index + 1, _NEW)
                self._try_both(long[hash8(load64(window, index + 1), LONG_BITS)], index + 1)
                self._try_both(long[hash8(load64(window, index + 2), LONG_BITS)], index + 2)
                if self._index > index - _SKIP and self._index + self._length < limit:
                    long_entry = long[hash8(load64(window, self._index + self._length), LONG_BITS)]
                    at = cython.cast(cython.int, low32(long_entry)) - base - self._length + _SKIP
                    if at >= 0:
                        self._try(at, self._index + _SKIP, _NEW)
                        at = cython.cast(cython.int, high32(long_entry)) - base - self._length + _SKIP
                        if at >= 0:
                            self._try(at, self._index + _SKIP, _NEW)
            self._take_literals(found, self._emitted, self._index)
            if self._repeat > 0:
                found.add(self._index - self._emitted, self._length, self._repeat & 3)
            else:
                found.add(self._index - self._emitted, self._length, self._index - self._at + 3)
            self._emitted = self._index + self._length
            if self._emitted < limit or self._enters_last:
                end = self._emitted
                if self._enters_last:
                    end = min(end, limit + 4 if self._repeat > 0 else limit - 4)
                self._enter(index + 1, end)
            index = self._emitted
            if self._repeat <= 0:
                third = second
                second = offset
                offset = self._index - self._at
            elif self._repeat == 2 or self._repeat == 1 | _NO_LITERALS:
                at = offset
                offset = second
                second = at
            elif self._repeat == 3 or self._repeat == 2 | _NO_LITERALS:
                at = third
                third = second
                second = offset
                offset = at
            elif self._repeat == 3 | _NO_LITERALS:
                third = second
                second = offset
                offset -= 1
            if index >= limit:
                break
        self._take_rest(found, self._emitted)
