# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: words are loaded 11 bytes (MARGIN) before `_end` at the latest; the window holds 32 KiB before a block,
# or all there was, so a candidate less far away is not negative; hashes have the bits of their tables.
"""Match search of klauspost/compress flate at its levels 1 to 4.

The decisions are those of `flate/level1.go` to `level4.go` (Klaus Post and the Go authors, BSD), levels 1 to 3 from
1.15.11 on, reimplemented here. The first match is taken, of four bytes or more, and extended backwards.
"""

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, common_before, load32, load64
    from cython.cimports.airpatch.encoders.klauspost_matcher import BlockMatcher
    from cython.cimports.airpatch.encoders.klauspost_shared import (
        MARGIN,
        WINDOW,
        hash4,
        hash5,
        hash7,
        meets,
        push,
        put_literals,
        put_match,
    )
else:
    from airpatch.byte_access import common, common_before, load32, load64
    from airpatch.encoders.klauspost_matcher import BlockMatcher
    from airpatch.encoders.klauspost_shared import (
        MARGIN,
        WINDOW,
        hash4,
        hash5,
        hash7,
        meets,
        push,
        put_literals,
        put_match,
    )

_BITS3 = cython.declare(cython.int, 16)
_BITS4 = cython.declare(cython.int, 15)
_REACH3 = cython.declare(cython.int, WINDOW - 4)  # level 3 is more careful with distances


@cython.cclass
class PairMatcher(BlockMatcher):
    """Levels 1 and 2: one table by five bytes.

    Every second pair of bytes is looked at, fewer the longer nothing is found.
    """

    _table: cython.int[::1]
    _bits: cython.int
    _dense: cython.bint  # level 2 also remembers words inside a match

    def __init__(self, level: int) -> None:
        super().__init__()
        self._bits = 15 if level == 1 else 17
        self._table = self._new_table(1 << self._bits)
        self._dense = level == 2

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, begin: cython.int) -> cython.int:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        table: cython.p_int = cython.address(self._table[0]) if cython.compiled else self._table
        bits: cython.int = self._bits
        dense: cython.bint = self._dense
        base: cython.int = self._base
        end: cython.int = self._end
        limit: cython.int = end - MARGIN
        count: cython.int = 0
        emitted: cython.int = begin  # all before it has its tokens
        index: cython.int = begin
        ahead: cython.int = begin
        match: cython.int
        length: cython.int
        at: cython.int
        slot: cython.uint
        found: cython.bint
        word: cython.ulonglong
        following: cython.ulonglong
        while True:
            found = False
            match = 0
            word = load64(window, index)
            while not found:
                ahead = index + 2 + ((index - emitted) >> 5)
                if ahead > limit:
                    break
                slot = hash5(word, bits)
                match = table[slot] - base
                table[slot] = index + base
                following = load64(window, ahead)
                slot = hash5(following, bits)
                found = meets(window, index, match, word)
                if found:
                    table[slot] = ahead + base
                    break
                index = ahead
                ahead += 1
                match = table[slot] - base
                table[slot] = index + base
                found = meets(window, index, match, following)
                word = following >> 8
                if found:
                    if not dense:
                        table[slot] = ahead + base
                    break
                index = ahead
            if not found:
                break
            while found:
                length = common(window, index, window, match, end - index)
                at = common_before(window, index, window, match, min(index - emitted, match))
                index -= at
                match -= at
                length += at
                count = put_literals(tokens, count, window, emitted, index)
                count = put_match(tokens, count, length, index - match, self._piece)
                index += length
                emitted = index
                if ahead >= index:
                    index = ahead + 1
                if index >= limit:
                    if index + length + 8 < end:
                        table[hash5(load64(window, index), bits)] = index + base
                    break
                if dense:
                    for at in range(index - length + 2, index - 5, 7):
                        word = load64(window, at)
                        table[hash5(word, bits)] = at + base
                        table[hash5(word >> 16, bits)] = at + 2 + base
                        table[hash5(word >> 32, bits)] = at + 4 + base  # the fifth byte is taken for a zero
                word = load64(window, index - 2)
                table[hash5(word, bits)] = index - 2 + base
                if dense:
                    table[hash5(word >> 8, bits)] = index - 1 + base
                slot = hash5(word >> 16, bits)
                match = table[slot] - base
                table[slot] = index + base
                found = index - match <= WINDOW and load32(window, match) == load32(window, index)
            if found:
                break
            index += 1
        return put_literals(tokens, count, window, emitted, end) if count else 0


@cython.cclass
class TwinMatcher(BlockMatcher):
    """Level 3: one table by five bytes, two deep."""

    _table: cython.int[::1]

    def __init__(self) -> None:
        super().__init__()
        self._table = self._new_table(2 << _BITS3)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, begin: cython.int) -> cython.int:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        table: cython.p_int = cython.address(self._table[0]) if cython.compiled else self._table
        base: cython.int = self._base
        end: cython.int = self._end
        limit: cython.int = end - MARGIN
        count: cython.int = 0
        emitted: cython.int = begin
        index: cython.int = begin
        ahead: cython.int
        match: cython.int
        newest: cython.int
        older: cython.int
        length: cython.int
        at: cython.int
        slot: cython.uint
        word: cython.ulonglong
        while True:
            match = -1
            ahead = index
            while match < 0:
                index = ahead
                ahead = index + 1 + ((index - emitted) >> 7)
                if ahead > limit:
                    break
                word = load64(window, index)
                slot = 2 * hash5(word, _BITS3)
                newest = table[slot] - base
                older = table[slot + 1] - base
                push(table, slot, index + base)
                if index - newest > _REACH3:
                    continue  # the older one is farther still
                if meets(window, index, newest, word):
                    match = newest
                    if index - older <= _REACH3 and meets(window, index, older, word):
                        length = common(window, index, window, newest, end - index)
                        if common(window, index, window, older, end - index) > length:
                            match = older
                elif index - older < _REACH3 and meets(window, index, older, word):
                    match = older
            if match < 0:
                break
            while match >= 0:
                length = common(window, index, window, match, end - index)
                at = common_before(window, index, window, match, min(index - emitted, match))
                index -= at
                match -= at
                length += at
                count = put_literals(tokens, count, window, emitted, index)
                count = put_match(tokens, count, length, index - match, self._piece)
                index += length
                emitted = index
                if ahead >= index:
                    index = ahead + 1
                if index >= limit:
                    match += length
                    if match + 8 < end:
                        push(table, 2 * hash5(load64(window, match), _BITS3), match + base)
                    return put_literals(tokens, count, window, emitted, end)
                for at in range(index - length + 2, index - 5, 6):
                    push(table, 2 * hash5(load64(window, at), _BITS3), at + base)
                word = load64(window, index - 2)
                push(table, 2 * hash5(word, _BITS3), index - 2 + base)
                push(table, 2 * hash5(word >> 8, _BITS3), index - 1 + base)
                word >>= 16
                slot = 2 * hash5(word, _BITS3)
                newest = table[slot] - base
                older = table[slot + 1] - base
                push(table, slot, index + base)
                match = -1
                if index - newest < _REACH3:
                    if meets(window, index, newest, word):
                        match = newest
                    elif index - older < _REACH3 and meets(window, index, older, word):
                        match = older
            index += 1
        return put_literals(tokens, count, window, emitted, end) if count else 0


@cython.cclass
class LongShortMatcher(BlockMatcher):
    """Level 4: a table by four bytes and one by seven, which is asked first.

    A short match gives way to a long one at the next byte if that is longer. From 1.18.0 on, a slip `misplaces` that
    comparison: the distance of the long match is taken for its index.
    """

    _short: cython.int[::1]
    _long: cython.int[::1]
    _misplaces: cython.bint

    def __init__(self, misplaces: bool = True) -> None:
        super().__init__()
        self._short = self._new_table(1 << _BITS4)
        self._long = self._new_table(1 << _BITS4)
        self._misplaces = misplaces

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, begin: cython.int) -> cython.int:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        short: cython.p_int = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_int = cython.address(self._long[0]) if cython.compiled else self._long
        base: cython.int = self._base
        end: cython.int = self._end
        limit: cython.int = end - MARGIN
        count: cython.int = 0
        emitted: cython.int = begin
        index: cython.int = begin
        ahead: cython.int
        match: cython.int
        other: cython.int
        length: cython.int
        at: cython.int
        slot: cython.uint
        word: cython.ulonglong
        following: cython.ulonglong
        while True:
            match = -1
            ahead = index
            word = load64(window, index)
            while match < 0:
                index = ahead
                ahead = index + 1 + ((index - emitted) >> 6)
                if ahead > limit:
                    break
                slot = hash7(word, _BITS4)
                match = long[slot] - base
                long[slot] = index + base
                slot = hash4(word, _BITS4)
                other = short[slot] - base
                short[slot] = index + base
                following = load64(window, ahead)
                if meets(window, index, match, word):
                    break
                match = -1
                if meets(window, index, other, word):
                    match = other
                    other = long[hash7(following, _BITS4)] - base
                    if meets(window, ahead, other, following):
                        length = common(window, index, window, match, end - index)
                        at = (ahead - other if self._misplaces else other) + 4
                        if 4 + common(window, ahead + 4, window, at, end - ahead - 4) > length:
                            index = ahead
                            match = other
                word = following
            if match < 0:
                break

            length = common(window, index, window, match, end - index)
            at = common_before(window, index, window, match, min(index - emitted, match))
            index -= at
            match -= at
            length += at
            count = put_literals(tokens, count, window, emitted, index)
            count = put_match(tokens, count, length, index - match, self._piece)
            index += length
            emitted = index
            if ahead >= index:
                index = ahead + 1
            if index >= limit:
                if index + 8 < end:
                    word = load64(window, index)
                    short[hash4(word, _BITS4)] = index + base
                    long[hash7(word, _BITS4)] = index + base
                break
            for at in range(ahead, index - 1, 3):
                word = load64(window, at)
                long[hash7(word, _BITS4)] = at + base
                long[hash7(word >> 8, _BITS4)] = at + 1 + base
                short[hash4(word >> 8, _BITS4)] = at + 1 + base
            word = load64(window, index - 1)
            short[hash4(word, _BITS4)] = index - 1 + base
            long[hash7(word, _BITS4)] = index - 1 + base
        return put_literals(tokens, count, window, emitted, end) if count else 0
