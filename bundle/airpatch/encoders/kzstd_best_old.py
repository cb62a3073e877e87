# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: `_set` loads words only of places less than `_reach` before the index, which the buffer holds, and 4
# bytes before `_end` at the latest; candidates are numbered 0 to 2.
"""Match search of klauspost/compress zstd at its level best, before 1.16.4.

The decisions are those of `zstd/enc_best.go` from 1.14.2 on (Klaus Post, BSD), reimplemented here. Candidates are
compared in pairs; the tree of comparisons, and how ties end, are what differs between the three outputs.
"""

from __future__ import annotations

from array import array
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

_NO_GAIN = cython.declare(cython.int, 25000)
_GOOD = cython.declare(cython.int, 100)
_NEW = cython.declare(cython.int, -1)


class MatchChoice(IntEnum):
    """How a match is chosen."""

    IN_ORDER = 0  # one candidate after the other, the later one if equal (before 1.15.13)
    PAIRED = 1  # in a tree (before 1.16.1)
    IMPROVING = 2  # one after the other, the earlier one if equal


_IN_ORDER = cython.declare(cython.int, MatchChoice.IN_ORDER)
_PAIRED = cython.declare(cython.int, MatchChoice.PAIRED)
_IMPROVING = cython.declare(cython.int, MatchChoice.IMPROVING)


@cython.cclass
class OldBestMatcher(BestTables):
    """Candidates are numbered; 0 is the best so far."""

    _choice: cython.int
    _skip: cython.int
    _at: cython.int[::1]
    _index: cython.int[::1]
    _length: cython.int[::1]
    _repeat: cython.int[::1]
    _gain: cython.int[::1]
    _literal: cython.int

    def __init__(self, reach: int, choice: MatchChoice) -> None:
        super().__init__(reach)
        self._choice = choice
        self._skip = 0 if choice is MatchChoice.IN_ORDER else 2
        self._at = array("i", [0]) * 8
        self._index = array("i", [0]) * 8
        self._length = array("i", [0]) * 8
        self._repeat = array("i", [0]) * 8
        self._gain = array("i", [0]) * 8

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _set(self, n: cython.int, at: cython.int, index: cython.int, repeat: cython.int) -> cython.void:
        """Make candidate n the match of the bytes at `index` with those at `at`."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        length: cython.int
        gain: cython.int
        self._at[n] = 0
        self._index[n] = index
        self._length[n] = 0
        self._repeat[n] = 0
        self._gain[n] = _NO_GAIN
        if index - at >= self._reach or index - at <= 0 or load32(window, at) != load32(window, index):
            return
        length = 4 + common(window, index + 4, window, at + 4, self._end - index - 4)
        gain = self._cost(index - at + 3 if repeat < 0 else repeat, length) - ((length * self._literal) >> 10)
        self._at[n] = at
        self._repeat[n] = repeat
        if gain <= 0:
            self._length[n] = length
            self._gain[n] = gain

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _copy(self, n: cython.int, other: cython.int) -> cython.void:
        self._at[n] = self._at[other]
        self._index[n] = self._index[other]
        self._length[n] = self._length[other]
        self._repeat[n] = self._repeat[other]
        self._gain[n] = self._gain[other]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _better(self, n: cython.int, other: cython.int) -> cython.bint:
        """Return whether candidate n is better than the other."""
        ahead: cython.int = (self._index[n] - self._index[other]) * self._literal
        if self._choice == _IN_ORDER:
            return self._gain[n] + (ahead >> 10) < self._gain[other] + (-ahead >> 10)
        return self._gain[n] - self._gain[other] + (ahead >> 10) < 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _keep(self, n: cython.int, other: cython.int) -> cython.void:
        """Make candidate n the other one if that is as good."""
        if not self._better(n, other):
            self._copy(n, other)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try(self, at: cython.int, index: cython.int, repeat: cython.int) -> cython.void:
        """Compare a candidate with the best so far."""
        self._set(1, at, index, repeat)
        if self._choice == _IN_ORDER:
            self._keep(0, 1)
        elif self._repeat[1] and (self._gain[0] >= _NO_GAIN or self._better(1, 0)):
            self._copy(0, 1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try_here(self, long_entry: cython.ulonglong, short_entry: cython.ulonglong, index: cython.int) -> cython.void:
        """Set the best match to that of four candidates at `index`."""
        first: cython.int = cython.cast(cython.int, low32(long_entry)) - self._base
        second: cython.int = cython.cast(cython.int, high32(long_entry)) - self._base
        third: cython.int = cython.cast(cython.int, low32(short_entry)) - self._base
        fourth: cython.int = cython.cast(cython.int, high32(short_entry)) - self._base
        if self._choice == _PAIRED:
            self._set(0, first, index, _NEW)
            self._set(1, second, index, _NEW)
            self._keep(0, 1)
            self._set(1, third, index, _NEW)
            self._set(2, fourth, index, _NEW)
            self._keep(1, 2)
            self._keep(0, 1)
            return
        if self._choice == _IN_ORDER:
            self._set(0, first, index, _NEW)
        else:
            self._set(0, index, index, _NEW)  # none
            self._try(first, index, _NEW)
        self._try(second, index, _NEW)
        self._try(third, index, _NEW)
        self._try(fourth, index, _NEW)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try_repeats(self, index: cython.int, offset: cython.int, second: cython.int, third: cython.int) -> cython.void:
        """Compare the three last offsets at `index`."""
        if self._choice == _PAIRED:
            self._set(1, index - offset, index, 1)
            self._keep(0, 1)
            self._set(1, index - second, index, 2)
            self._set(2, index - third, index, 3)
            self._keep(1, 2)
            self._keep(0, 1)
            return
        self._try(index - offset, index, 1)
        self._try(index - second, index, 2)
        self._try(index - third, index, 3)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try_ahead(
        self,
        short_entry: cython.ulonglong,
        long_entry: cython.ulonglong,
        next_entry: cython.ulonglong,
        index: cython.int,
    ) -> cython.void:
        """Compare candidates at `index`, and of `next_entry` at the byte after it."""
        base: cython.int = self._base
        if self._choice == _PAIRED:
            self._set(1, cython.cast(cython.int, low32(short_entry)) - base, index, _NEW)
            self._keep(0, 1)
            self._set(1, cython.cast(cython.int, low32(long_entry)) - base, index, _NEW)
            self._keep(0, 1)
            self._set(1, cython.cast(cython.int, high32(long_entry)) - base, index, _NEW)
            self._set(2, cython.cast(cython.int, low32(next_entry)) - base, index + 1, _NEW)
            self._keep(1, 2)
            self._set(2, cython.cast(cython.int, high32(next_entry)) - base, index + 1, _NEW)
            self._keep(1, 2)
            self._keep(0, 1)
            return
        self._try(cython.cast(cython.int, low32(short_entry)) - base, index, _NEW)
        self._try(cython.cast(cython.int, low32(long_entry)) - base, index, _NEW)
        self._try(cython.cast(cython.int, high32(long_entry)) - base, index, _NEW)
        self._try(cython.cast(cython.int, low32(next_entry)) - base, index + 1, _NEW)
        self._try(cython.cast(cython.int, high32(next_entry)) - base, index + 1, _NEW)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _try_end(self, entry: cython.ulonglong) -> cython.void:
        """Compare matches that agree where the best one ends."""
        at: cython.int = cython.cast(cython.int, low32(entry)) - self._base - self._length[0] + self._skip
        older: cython.int = cython.cast(cython.int, high32(entry)) - self._base - self._length[0] + self._skip
        index: cython.int = self._index[0] + self._skip
        if at < 0:
            return
        if self._choice == _IMPROVING:
            self._try(at, index, _NEW)
            older = cython.cast(cython.int, high32(entry)) - self._base - self._length[0] + self._skip
            if older >= 0:
                self._try(older, self._index[0] + self._skip, _NEW)
            return
        self._set(1, at, index, _NEW)
        self._keep(0, 1)
        if older >= 0:
            self._set(1, older, index, _NEW)
            self._keep(0, 1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, found: Sequences, begin: cython.int) -> cython.void:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        short: cython.p_ulonglong = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_ulonglong = cython.address(self._long[0]) if cython.compiled else self._long
        base: cython.int = self._base
        limit: cython.int = self._end - 12
        emitted: cython.int = begin
        index: cython.int = begin
        offset: cython.int = 0
        second: cython.int = 0
        third: cython.int = 0
        length: cython.int
        back: cython.int
        at: cython.int
        repeats: cython.bint
        short_slot: cython.uint
        long_slot: cython.uint
        short_entry: cython.ulonglong
        long_entry: cython.ulonglong
        word: cython.ulonglong
        if self._end - begin < 16:
            self._take_rest(found, begin)
            return
        self._literal = self._bits_per_byte(begin)
        while True:
            repeats = found.count > 2
            word = load64(window, index)
            long_slot = hash8(word, LONG_BITS)
            short_slot = hash4(word, SHORT_BITS)
            long_entry = long[long_slot]
            short_entry = short[short_slot]
            self._try_here(long_entry, short_entry, index)
            if repeats and self._length[0] < _GOOD:
                self._try_repeats(index + 1, offset, second, third)
                if self._length[0] > 0:
                    self._try_repeats(index + 3, offset, second, third)
            long[long_slot] = pair(long_entry, index + base)
            short[short_slot] = pair(short_entry, index + base)
            if self._length[0] < _GOOD:
                if self._length[0] < 4:
                    index += 1 + ((index - emitted) >> 9)
                    if index >= limit:
                        break
                    continue
                index += 1
                self._try_ahead(
                    short[hash4(word >> 8, SHORT_BITS)],
                    long[hash8(load64(window, index), LONG_BITS)],
                    long[hash8(load64(window, index + 1), LONG_BITS)],
                    index,
                )
                if self._index[0] + self._length[0] < limit:
                    self._try_end(long[hash8(load64(window, self._index[0] + self._length[0]), LONG_BITS)])
            index = self._index[0]
            at = self._at[0]
            length = self._length[0]
            if self._repeat[0] > 0:
                back = common_before(
                    window, index, window, at, min(at - max(index - self._reach, 0), index - emitted - 1)
                )
                self._take_literals(found, emitted, index - back)
                found.add(index - back - emitted, length + back, self._repeat[0])
                emitted = index + length
                if emitted >= limit:
                    break
                self._enter(index, emitted - 1)
                index = emitted
                if self._repeat[0] == 2:
                    at = offset
                    offset = second
                    second = at
                elif self._repeat[0] == 3:
                    at = third
                    third = second
                    second = offset
                    offset = at
                continue
            third = second
            second = offset
            offset = index - at
            back = common_before(window, index, window, at, min(at - max(index - self._reach, 0), index - emitted))
            self._take_literals(found, emitted, index - back)
            found.add(index - back - emitted, length + back, offset + 3)
            emitted = index + length
            if emitted >= limit:
                break
            self._enter(index - back + 1, emitted - 1)
            index = emitted
            if not repeats:
                continue
            word = load64(window, index)
            while load32(window, index - second) == low32(word):
                length = 4 + common(window, index + 4, window, index + 4 - second, self._end - index - 4)
                long_slot = hash8(word, LONG_BITS)
                short_slot = hash4(word, SHORT_BITS)
                long[long_slot] = pair(long[long_slot], index + base)
                short[short_slot] = pair(short[short_slot], index + base)
                found.add(0, length, 1)
                index += length
                emitted = index
                at = offset
                offset = second
                second = at
                if index >= limit:
                    break
                word = load64(window, index)
            if index >= limit:
                break
        self._take_rest(found, emitted)
