# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: words are loaded 11 bytes (MARGIN) before `_end` at the latest; the window holds 32 KiB before a block,
# or all there was, so a candidate less far away is not negative; hashes have _BITS bits.
"""Match search of klauspost/compress flate at its levels 5 and 6.

The decisions are those of `flate/level5.go` and `level6.go` (Klaus Post and the Go authors, BSD), reimplemented here.
Two tables remember where four bytes and, twice, where seven bytes were seen; a match is checked against one found at
its own end, and extended backwards.
"""

from __future__ import annotations

import cython

from airpatch.encoders.klauspost_matcher import MAX_MATCH

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common, common_before, load64
    from cython.cimports.airpatch.encoders.klauspost_matcher import BlockMatcher
    from cython.cimports.airpatch.encoders.klauspost_shared import (
        MARGIN,
        WINDOW,
        hash4,
        hash7,
        meets,
        push,
        put_literals,
        put_match,
    )
else:
    from airpatch.byte_access import common, common_before, load64
    from airpatch.encoders.klauspost_matcher import BlockMatcher
    from airpatch.encoders.klauspost_shared import (
        MARGIN,
        WINDOW,
        hash4,
        hash7,
        meets,
        push,
        put_literals,
        put_match,
    )

_BITS = cython.declare(cython.int, 15)
_MOST = cython.declare(cython.int, MAX_MATCH)  # as far candidates are compared before one is chosen
_UNMEASURED = cython.declare(cython.int, 0)  # the length of a match that is clearly the one to take
_NONE = cython.declare(cython.int, -1)


@cython.cclass
class DeepMatcher(BlockMatcher):
    """Levels 5 and 6.

    `skip` is how many bytes at a match's begin may differ when a better one is sought from its end on: 2 from 1.15.10,
    0 from 1.12.2; -1: none is sought. `piece` is how a match over 258 bytes is cut: 258, or 255 before 1.15.0.
    """

    _short: cython.int[::1]  # hash of 4 bytes -> newest position
    _long: cython.int[::1]  # hash of 7 bytes -> newest position, and the one before it
    _level: cython.int
    _skip: cython.int

    def __init__(self, level: int, skip: int = 2, piece: int = MAX_MATCH) -> None:
        super().__init__(piece)
        self._short = self._new_table(1 << _BITS)
        self._long = self._new_table(2 << _BITS)
        self._level = level
        self._skip = skip

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, begin: cython.int) -> cython.int:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        short: cython.p_int = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_int = cython.address(self._long[0]) if cython.compiled else self._long
        thorough: cython.bint = self._level == 6
        patience: cython.int = 7 if thorough else 6  # log2 of the bytes without a match after which some are skipped
        skip: cython.int = self._skip
        base: cython.int = self._base
        end: cython.int = self._end
        limit: cython.int = end - MARGIN
        count: cython.int = 0
        emitted: cython.int = begin  # all before it has its tokens
        index: cython.int = begin
        ahead: cython.int = begin
        distance: cython.int = 1  # of the last match in this block
        match: cython.int = 0
        other: cython.int
        length: cython.int
        longer: cython.int
        at: cython.int
        slot: cython.uint
        entry: cython.uint
        newest: cython.int
        older: cython.int
        word: cython.ulonglong
        following: cython.ulonglong
        while index < limit:
            word = load64(window, index)
            length = _NONE
            ahead = index
            while length == _NONE:
                index = ahead
                ahead = index + 1 + ((index - emitted) >> patience)
                if ahead > limit:
                    break
                slot = hash4(word, _BITS)
                other = short[slot] - base
                short[slot] = index + base
                slot = 2 * hash7(word, _BITS)
                newest = long[slot] - base
                older = long[slot + 1] - base
                push(long, slot, index + base)
                following = load64(window, ahead)
                if meets(window, index, newest, word):
                    match = newest
                    length = _UNMEASURED
                    if meets(window, index, older, word):
                        length = common(window, index, window, newest, min(_MOST, end - index))
                        longer = common(window, index, window, older, min(_MOST, end - index))
                        if longer > length:
                            length = longer
                            match = older
                    _enter(short, long, following, ahead + base)
                elif index - newest < WINDOW and meets(window, index, older, word):
                    match = older
                    length = _UNMEASURED
                    _enter(short, long, following, ahead + base)
                elif meets(window, index, other, word):
                    match = other
                    length = common(window, index, window, match, min(_MOST, end - index))
                    slot = 2 * hash7(following, _BITS)
                    newest = long[slot] - base
                    older = long[slot + 1] - base
                    _enter(short, long, following, ahead + base)
                    longer = 0
                    if thorough and meets(window, index + 1, index + 1 - distance, word >> 8):
                        longer = common(window, index + 1, window, index + 1 - distance, min(_MOST, end - index - 1))
                    if longer > length:
                        index += 1
                        match = index - distance
                        length = longer
                    elif ahead - newest < WINDOW:
                        if meets(window, ahead, newest, following):
                            longer = common(window, ahead, window, newest, min(_MOST, end - ahead))
                            if longer > length:
                                match = newest
                                index = ahead
                                length = longer
                        if (thorough or index < ahead) and meets(window, ahead, older, following):
                            longer = common(window, ahead, window, older, min(_MOST, end - ahead))
                            if longer > length:
                                match = older
                                index = ahead
                                length = longer
                word = following
            if length == _NONE:
                break

            if length in (_UNMEASURED, _MOST):
                length = common(window, index, window, match, end - index)
            if skip >= 0 and index + length < limit and (thorough or length < 30):
                slot = 2 * hash7(load64(window, index + length), _BITS)
                at = index + skip
                for entry in range(1 + thorough):
                    other = long[slot + entry] - base - length + skip
                    if at - other >= WINDOW:
                        break
                    if 0 <= other < at:
                        longer = common(window, at, window, other, end - at)
                        if longer > length:
                            match = other
                            index = at
                            length = longer
            at = common_before(window, index, window, match, min(index - emitted, match))
            index -= at
            length += at
            count = put_literals(tokens, count, window, emitted, index)
            distance = index - match + at
            count = put_match(tokens, count, length, distance, self._piece)
            index += length
            emitted = index
            if ahead >= index:
                index = ahead + 1
            if thorough:
                for at in range(ahead + 1, end - 8 if index >= limit else index - 1, 2):
                    word = load64(window, at)
                    _enter(short, long, word, at + base)
                    if index < limit:
                        push(long, 2 * hash7(word >> 8, _BITS), at + 1 + base)
            elif index < limit:
                self._enter_some(index - length + 1, index - 1)
        return put_literals(tokens, count, window, emitted, end) if count else 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter_some(self, index: cython.int, last: cython.int) -> cython.void:
        """Remember some of the words inside a match: the first ones, then every third, and the last one."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        short: cython.p_int = cython.address(self._short[0]) if cython.compiled else self._short
        long: cython.p_int = cython.address(self._long[0]) if cython.compiled else self._long
        base: cython.int = self._base
        word: cython.ulonglong
        at: cython.int
        if index < last:
            word = load64(window, index)
            _enter(short, long, word, index + base)
            push(long, 2 * hash7(word >> 8, _BITS), index + 1 + base)
            short[hash4(word >> 16, _BITS)] = index + 2 + base
        for at in range(index + 4, last, 3):
            word = load64(window, at)
            push(long, 2 * hash7(word, _BITS), at + base)
            short[hash4(word >> 8, _BITS)] = at + 1 + base
        _enter(short, long, load64(window, last), last + base)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _enter(short: cython.p_int, long: cython.p_int, word: cython.ulonglong, position: cython.int) -> cython.void:
    """Remember a word in both tables."""
    short[hash4(word, _BITS)] = position
    push(long, 2 * hash7(word, _BITS), position)
