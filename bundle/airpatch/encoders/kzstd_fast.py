# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: words are loaded 8 bytes before `_end` at the latest, of candidates less than `_reach` before the index,
# which the buffer holds; hashes have the bits of their tables.
"""Match search of klauspost/compress zstd at its levels fastest and default.

The decisions are those of `zstd/enc_fast.go` from 1.14.3 on and `zstd/enc_dfast.go` from 1.14.2 on (Klaus Post, after
Yann Collet, BSD), reimplemented here. A match is verified on four bytes only, those which the table holds. The offsets
of earlier matches are tried once a block has three sequences.
"""

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, common_before, load32, load64
    from cython.cimports.airpatch.encoders.kzstd_matcher import ZstdMatcher
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import hash5, hash6, hash8, high32, low32, pair
else:
    from airpatch.byte_access import common, common_before, load32, load64
    from airpatch.encoders.kzstd_matcher import ZstdMatcher
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import hash5, hash6, hash8, high32, low32, pair

_SHORT_BITS = cython.declare(cython.int, 15)
_LONG_BITS = cython.declare(cython.int, 17)


@cython.cclass
class FastestMatcher(ZstdMatcher):
    """One table by six bytes; every second pair of bytes is looked at, fewer the longer nothing is found."""

    _table: cython.ulonglong[::1]

    def __init__(self, reach: int) -> None:
        super().__init__(reach)
        self._table = self._new_table(_SHORT_BITS)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, found: Sequences, begin: cython.int) -> cython.void:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        table: cython.p_ulonglong = cython.address(self._table[0]) if cython.compiled else self._table
        base: cython.int = self._base
        reach: cython.int = self._reach
        end: cython.int = self._end
        limit: cython.int = end - 8
        emitted: cython.int = begin  # all before it has its sequences
        index: cython.int = begin
        offset: cython.int = 0
        older: cython.int = 0
        match: cython.int
        length: cython.int
        back: cython.int
        at: cython.int
        repeats: cython.bint
        slot: cython.uint
        next_slot: cython.uint
        entry: cython.ulonglong
        next_entry: cython.ulonglong
        word: cython.ulonglong
        if end - begin < 10:
            self._take_rest(found, begin)
            return
        word = load64(window, index)
        while True:
            repeats = found.count > 2
            match = -1
            while match < 0:
                slot = hash6(word, _SHORT_BITS)
                next_slot = hash6(word >> 8, _SHORT_BITS)
                entry = table[slot]
                next_entry = table[next_slot]
                table[slot] = pair(word, index + base)
                table[next_slot] = pair(word >> 8, index + 1 + base)
                if repeats and load32(window, index + 2 - offset) == low32(word >> 16):
                    at = index + 2
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
                    word = load64(window, index)
                    continue
                at = cython.cast(cython.int, low32(entry)) - base
                if index - at < reach and low32(word) == high32(entry):
                    match = at
                    break
                at = cython.cast(cython.int, low32(next_entry)) - base
                if index + 1 - at < reach and low32(word >> 8) == high32(next_entry):
                    match = at
                    index += 1
                    break
                index += 2 + ((index - emitted) >> 5)
                if index >= limit:
                    break
                word = load64(window, index)
            if match < 0:
                break
            older = offset
            offset = index - match
            length = 4 + common(window, index + 4, window, match + 4, end - index - 4)
            back = common_before(window, index, window, match, min(match - max(index - reach, 0), index - emitted))
            self._take_literals(found, emitted, index - back)
            found.add(index - back - emitted, length + back, offset + 3)
            index += length
            emitted = index
            if index >= limit:
                break
            word = load64(window, index)
            if self._alone:
                repeats = found.count > 2
            if repeats and load32(window, index - older) == low32(word):
                length = 4 + common(window, index + 4, window, index + 4 - older, end - index - 4)
                table[hash6(word, _SHORT_BITS)] = pair(word, index + base)
                found.add(0, length, 1)
                index += length
                emitted = index
                at = offset
                offset = older
                older = at
                if index >= limit:
                    break
                word = load64(window, index)
        self._take_rest(found, emitted)


@cython.cclass
class DefaultMatcher(ZstdMatcher):
    """A table by five bytes and one by eight, which is asked first.

    A short match gives way to a long one at the next byte.
    """

    _short: cython.ulonglong[::1]
    _long: cython.ulonglong[::1]

    def __init__(self, reach: int) -> None:
        super().__init__(reach)
        self._short = self._new_table(_SHORT_BITS)
        self._long = self._new_table(_LONG_BITS)

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
        back: cython.int
        at: cython.int
        repeats: cython.bint
        short_slot: cython.uint
        long_slot: cython.uint
        short_entry: cython.ulonglong
        long_entry: cython.ulonglong
        word: cython.ulonglong
        following: cython.ulonglong
        if end - begin < 16:
            self._take_rest(found, begin)
            return
        word = load64(window, index)
        while True:
            repeats = found.count > 2
            match = -1
            while match < 0:
                long_slot = hash8(word, _LONG_BITS)
                short_slot = hash5(word, _SHORT_BITS)
                long_entry = long[long_slot]
                short_entry = short[short_slot]
                long[long_slot] = pair(word, index + base)
                short[short_slot] = pair(word, index + base)
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
                    word = load64(window, index)
                    continue
                at = cython.cast(cython.int, low32(long_entry)) - base
                if index - at < reach and low32(word) == high32(long_entry):
                    match = at
                    break
                at = cython.cast(cython.int, low32(short_entry)) - base
                if index - at < reach and low32(word) == high32(short_entry):
                    match = at
                    following = load64(window, index + 1)
                    long_slot = hash8(following, _LONG_BITS)
                    long_entry = long[long_slot]
                    long[long_slot] = pair(following, index + 1 + base)
                    at = cython.cast(cython.int, low32(long_entry)) - base
                    if index + 1 - at < reach and low32(following) == high32(long_entry):
                        match = at
                        index += 1
                    break
                index += 1 + ((index - emitted) >> 7)
                if index >= limit:
                    break
                word = load64(window, index)
            if match < 0:
                break
            older = offset
            offset = index - match
            length = 4 + common(window, index + 4, window, match + 4, end - index - 4)
            back = common_before(window, index, window, match, min(match - max(index - reach, 0), index - emitted))
            self._take_literals(found, emitted, index - back)
            found.add(index - back - emitted, length + back, offset + 3)
            at = index - back + 1
            index += length
            emitted = index
            if index >= limit:
                break
            word = load64(window, at)
            following = load64(window, index - 2)
            long[hash8(word, _LONG_BITS)] = pair(word, at + base)
            long[hash8(following, _LONG_BITS)] = pair(following, index - 2 + base)
            short[hash5(word >> 8, _SHORT_BITS)] = pair(word >> 8, at + 1 + base)
            short[hash5(following >> 8, _SHORT_BITS)] = pair(following >> 8, index - 1 + base)
            word = load64(window, index)
            if self._alone:
                repeats = found.count > 2
            if not repeats:
                continue
            while load32(window, index - older) == low32(word):
                length = 4 + common(window, index + 4, window, index + 4 - older, end - index - 4)
                long[hash8(word, _LONG_BITS)] = pair(word, index + base)
                # A block that is alone has a slip here: the slot is that of the bytes around the last match's end.
                short_slot = hash5(following >> 16 if self._alone else word, _SHORT_BITS)
                short[short_slot] = pair(word, index + base)
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
