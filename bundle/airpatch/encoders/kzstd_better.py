# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: words are loaded 8 bytes before `_end` at the latest, of candidates less than `_reach` before the index,
# which the buffer holds; hashes have the bits of their tables.
"""Match search of klauspost/compress zstd at its level better.

The decisions are those of `zstd/enc_better.go` from 1.14.2 on (Klaus Post, BSD), reimplemented here. The offsets of
earlier matches are tried once a block has three sequences.
"""

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, common_before, load32, load64
    from cython.cimports.airpatch.encoders.kzstd_matcher import ZstdMatcher
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import hash5, hash8, high32, low32, pair
else:
    from airpatch.byte_access import common, common_before, load32, load64
    from airpatch.encoders.kzstd_matcher import ZstdMatcher
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import hash5, hash8, high32, low32, pair

_SHORT_BITS = cython.declare(cython.int, 13)
_LONG_BITS = cython.declare(cython.int, 19)


@cython.cclass
class BetterMatcher(ZstdMatcher):
    """A table by five bytes, and one by eight that is two deep.

    `skip`: where the match's end is looked up, so many of its first bytes may differ (0 before 1.15.10). `remembers`:
    what comes before a match that begins later than where it was found is entered, too (from 1.17.3 on). `runs`: a
    block of one byte repeated is told first (from 1.17.8 on).
    """

    _short: cython.ulonglong[::1]
    _long: cython.ulonglong[::1]
    _skip: cython.int
    _remembers: cython.bint
    _runs: cython.bint

    def __init__(self, reach: int, skip: int = 3, remembers: bool = True, runs: bool = True) -> None:
        super().__init__(reach)
        self._short = self._new_table(_SHORT_BITS)
        self._long = self._new_table(_LONG_BITS, both=True)
        self._skip = skip
        self._remembers = remembers
        self._runs = runs

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, found: Sequences, begin: cython.int) -> cython.void:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        short: cython.p_ulonglong = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_ulonglong = cython.address(self._long[0]) if cython.compiled else self._long
        base: cython.int = self._base
        reach: cython.int = self._reach
        end: cython.int = self._end
        limit: cython.int = end - 10
        emitted: cython.int = begin
        index: cython.int = begin
        offset: cython.int = 0
        older: cython.int = 0
        match: cython.int
        length: cython.int
        other_length: cython.int
        back: cython.int
        at: cython.int
        before: cython.int
        enter: cython.int
        later: cython.int
        repeats: cython.bint
        short_slot: cython.uint
        long_slot: cython.uint
        short_entry: cython.ulonglong
        long_entry: cython.ulonglong
        word: cython.ulonglong
        following: cython.ulonglong
        if self._runs and self._take_run(found, begin):
            return
        if end - begin < 16:
            self._take_rest(found, begin)
            return
        word = load64(window, index)
        while True:
            repeats = found.count > 2
            match = -1
            length = 0
            enter = 0
            while match < 0:
                long_slot = hash8(word, _LONG_BITS)
                short_slot = hash5(word, _SHORT_BITS)
                long_entry = long[long_slot]
                short_entry = short[short_slot]
                long[long_slot] = pair(long_entry, index + base)
                short[short_slot] = pair(word, index + base)
                enter = index + 1
                if repeats and load32(window, index + 1 - offset) == low32(word >> 8):
                    at = index + 1
                    length = 4 + common(window, at + 4, window, at + 4 - offset, end - at - 4)
                    back = common_before(
                        window, at, window, at - offset, min(at - offset - max(index - reach, 0), at - emitted - 1)
                    )
                    self._take_literals(found, emitted, at - back)
                    found.add(at - back - emitted, length + back, 1)
                    index = at + length
                    emitted = index
                    if index >= limit:
                        break
                    self._enter(enter, index)
                    word = load64(window, index)
                    continue
                at = cython.cast(cython.int, low32(long_entry)) - base
                before = cython.cast(cython.int, high32(long_entry)) - base
                if index - at < reach and word == load64(window, at):
                    match = at
                    length = 8 + common(window, index + 8, window, at + 8, end - index - 8)
                    if index - before < reach and word == load64(window, before):
                        other_length = 8 + common(window, index + 8, window, before + 8, end - index - 8)
                        if other_length > length:
                            match = before
                            length = other_length
                    break
                if index - before < reach and word == load64(window, before):
                    match = before
                    length = 8 + common(window, index + 8, window, before + 8, end - index - 8)
                    break
                at = cython.cast(cython.int, low32(short_entry)) - base
                if index - at < reach and low32(word) == high32(short_entry):
                    match = at
                    length = 4 + common(window, index + 4, window, at + 4, end - index - 4)
                    following = load64(window, index + 1)
                    long_slot = hash8(following, _LONG_BITS)
                    long_entry = long[long_slot]
                    long[long_slot] = pair(long_entry, index + 1 + base)
                    at = cython.cast(cython.int, low32(long_entry)) - base
                    before = cython.cast(cython.int, high32(long_entry)) - base
                    if index - at < reach and following == load64(window, at):
                        other_length = 8 + common(window, index + 9, window, at + 8, end - index - 9)
                        if other_length > length:
                            match = at
                            length = other_length
                            index += 1
                            break
                    if index - before < reach and following == load64(window, before):
                        other_length = 8 + common(window, index + 9, window, before + 8, end - index - 9)
                        if other_length > length:
                            match = before
                            length = other_length
                            index += 1
                    break
                index += 1 + ((index - emitted) >> 8)
                if index >= limit:
                    break
                word = load64(window, index)
            if match < 0:
                break
            if index + length < limit:
                # What is found at the match's end may go with a longer match.
                long_entry = long[hash8(load64(window, index + length), _LONG_BITS)]
                later = index + self._skip
                at = cython.cast(cython.int, low32(long_entry)) - base - length + self._skip
                if 0 <= at < later and later - at < reach and load32(window, later) == load32(window, at):
                    other_length = 4 + common(window, later + 4, window, at + 4, end - later - 4)
                    if other_length > length:
                        match = at
                        length = other_length
                        index = later
                before = cython.cast(cython.int, high32(long_entry)) - base - length + self._skip
                if 0 <= before < later and later - before < reach and load32(window, later) == load32(window, before):
                    other_length = 4 + common(window, later + 4, window, before + 4, end - later - 4)
                    if other_length > length:
                        match = before
                        length = other_length
                        index = later
            older = offset
            offset = index - match
            back = common_before(window, index, window, match, min(match - max(index - reach, 0), index - emitted))
            self._take_literals(found, emitted, index - back)
            found.add(index - back - emitted, length + back, offset + 3)
            if not self._remembers:
                enter = index - back + 1
            index += length
            emitted = index
            if index >= limit:
                break
            self._enter(enter, index)
            word = load64(window, index)
            if not repeats:
                continue
            while load32(window, index - older) == low32(word):
                length = 4 + common(window, index + 4, window, index + 4 - older, end - index - 4)
                long_slot = hash8(word, _LONG_BITS)
                long[long_slot] = pair(long[long_slot], index + base)
                short[hash5(word, _SHORT_BITS)] = pair(word, index + base)
                found.add(0, length, 1)
                index += length
                emitted = index
                at = offset
                offset = older
                older = at
                if index >= limit:
                    break
                word = load64(window, index)
            if index >= limit:
                break
        self._take_rest(found, emitted)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, at: cython.int, index: cython.int) -> cython.void:
        """Enter every other position from `at` to before `index` - 1; the short table gets those between."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        short: cython.p_ulonglong = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_ulonglong = cython.address(self._long[0]) if cython.compiled else self._long
        base: cython.int = self._base
        word: cython.ulonglong
        slot: cython.uint
        while at < index - 1:
            word = load64(window, at)
            slot = hash8(word, _LONG_BITS)
            long[slot] = pair(long[slot], at + base)
            short[hash5(word >> 8, _SHORT_BITS)] = pair(word >> 8, at + 1 + base)
            at += 2
