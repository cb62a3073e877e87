# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Match search of klauspost/compress flate at its levels 5 and 6: a block of plaintext in, its tokens out.

The decisions are those of `flate/level5.go` and `level6.go` (Klaus Post and the Go authors, BSD), re-told
here. Two tables remember where four bytes and, twice, where seven bytes were seen; a match is checked
against one found at its own end, extended backwards, and may be longer than 258 bytes, when it becomes
several tokens. Tokens are those of bundle.deflate.tables.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.bundle.deflate.words import common, load64
else:
    from bundle.deflate.words import common, load64

BLOCK = 65535  # most bytes searched at a time, so most tokens
_WINDOW = cython.declare(cython.int, 1 << 15)  # matches stay nearer than this
_MAX_MATCH = cython.declare(cython.int, 258)
_MARGIN = cython.declare(cython.int, 11)  # no match begins in a block's last bytes
_SKIP = cython.declare(cython.int, 2)  # level 6
_BITS = cython.declare(cython.int, 15)
_PRIME4 = cython.declare(cython.uint, 2654435761)
_PRIME7 = cython.declare(cython.ulonglong, 58295818150454627)
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)  # hashes wrap
_MASK64 = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


@cython.cclass
class DeepMatcher:
    """The tables of one stream; the caller holds the plaintext.

    `level` is 5 or 6. Level 5 has changed: `skip` is how many bytes at a match's begin may differ when a
    better one is sought from its end on: 2 from 1.15.10, 0 from 1.12.3; -1: none is sought (1.11.3).
    `split` is how long the first pieces of a match over 258 bytes are if at least that much is left: 258,
    or 255 before 1.15.10.
    """

    # A position is an index into the window plus `_base`, which grows when the window slides; so positions
    # stay valid. Position 0 is out of reach: `_base` is at least 65535.
    _window: cython.uchar[::1]
    _short: cython.int[::1]  # hash of 4 bytes -> newest position
    _long: cython.int[::1]  # twice the hash of 7 bytes -> newest position, and the one before it
    _tokens: cython.uint[::1]
    _token_array: array[int]
    _level: cython.int
    _skip: cython.int
    _split: cython.int
    _base: cython.int
    _end: cython.int
    _count: cython.int

    def __init__(self, level: int, skip: int = 2, split: int = _MAX_MATCH) -> None:
        self._short = array("i", bytes(4 << 15))
        self._long = array("i", bytes(8 << 15))
        self._token_array = array("I", bytes(4 * BLOCK))
        self._tokens = self._token_array
        self._level = level
        self._skip = skip
        self._split = split

    def tokens(self, window: bytearray, begin: int, end: int, base: int) -> array[int]:
        """Return the tokens of window[begin:end]; none at all if there is no match.

        Indexes into `window` plus `base` are positions. At most BLOCK bytes are searched, all else before
        `begin` must have been searched before, or be unreachable.
        """
        self._window = window
        self._end = end
        self._base = base
        self._count = 0
        first: cython.int = begin
        with cython.nogil:
            if self._level == 5:
                self._search5(first)
            else:
                self._search6(first)
        return self._token_array[: self._count]

    def rebase(self, shift: int) -> None:
        """Subtract `shift` from all positions; those that become negative are forgotten."""
        _subtract(self._short, shift)
        _subtract(self._long, shift)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search5(self, begin: cython.int) -> cython.void:
        """All words are loaded before `_end`; candidates lie before the index and within the window."""
        limit: cython.int = self._end - _MARGIN
        base: cython.int = self._base
        emitted: cython.int = begin  # all before it has its tokens
        index: cython.int = begin
        ahead: cython.int = begin
        match: cython.int = 0
        other: cython.int
        length: cython.int
        longer: cython.int
        short: cython.int
        slot: cython.uint
        newest: cython.int
        older: cython.int
        word: cython.ulonglong
        following: cython.ulonglong
        while index <= limit:
            word = self._load(index)
            length = -1  # 0: a match was found, but not measured
            ahead = index
            while length < 0:
                index = ahead
                ahead = index + 1 + ((index - emitted) >> 6)
                if ahead > limit:
                    break
                slot = _hash4(word)
                short = self._short[slot] - base
                self._short[slot] = index + base
                slot = _hash7(word)
                newest = self._long[2 * slot] - base
                older = self._long[2 * slot + 1] - base
                self._long[2 * slot + 1] = self._long[2 * slot]
                self._long[2 * slot] = index + base
                following = self._load(ahead)
                if index - newest < _WINDOW and self._same(newest, word):
                    match = newest
                    length = 0
                    if index - older < _WINDOW and self._same(older, word):
                        length = self._common(index, newest, _MAX_MATCH)
                        longer = self._common(index, older, _MAX_MATCH)
                        if longer > length:
                            length = longer
                            match = older
                    self._enter(ahead, following)
                elif index - newest < _WINDOW and index - older < _WINDOW and self._same(older, word):
                    match = older
                    length = 0
                    self._enter(ahead, following)
                elif index - short < _WINDOW and self._same(short, word):
                    match = short
                    length = self._common(index, short, _MAX_MATCH)
                    slot = _hash7(following)
                    newest = self._long[2 * slot] - base
                    older = self._long[2 * slot + 1] - base
                    self._enter(ahead, following)
                    if ahead - newest < _WINDOW:
                        longer = 0
                        if self._same(newest, following):
                            longer = self._common(ahead, newest, _MAX_MATCH)
                        if longer > length:
                            match = newest
                            index = ahead
                            length = longer
                        elif ahead - older < _WINDOW and self._same(older, following):
                            longer = self._common(ahead, older, _MAX_MATCH)
                            if longer > length:
                                match = older
                                index = ahead
                                length = longer
                word = following
            if length < 0:
                break

            if length == 0 or length == _MAX_MATCH:
                length = self._common(index, match, self._end - index)
            if self._skip >= 0 and length < 30 and index + length < limit:
                newest = self._long[2 * _hash7(self._load(index + length))] - base
                other = newest - length + self._skip
                if other >= 0 and 0 < index + self._skip - other < _WINDOW:
                    longer = self._common(index + self._skip, other, self._end - index - self._skip)
                    if longer > length:
                        match = other
                        index += self._skip
                        length = longer
            while match > 0 and index > emitted and self._window[match - 1] == self._window[index - 1]:
                match -= 1
                index -= 1
                length += 1
            self._literals(emitted, index)
            self._match(length, index - match)
            index += length
            emitted = index
            if ahead >= index:
                index = ahead + 1
            if index >= limit:
                break
            self._enter_match(index - length + 1, index - 1)
            self._enter(index - 1, self._load(index - 1))
        if self._count:
            self._literals(emitted, self._end)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search6(self, begin: cython.int) -> cython.void:
        """As `_search5`, but looks at more candidates and remembers more words."""
        limit: cython.int = self._end - _MARGIN
        base: cython.int = self._base
        emitted: cython.int = begin
        index: cython.int = begin
        ahead: cython.int = begin
        distance: cython.int = 1  # of the last match in this block
        match: cython.int = 0
        other: cython.int
        length: cython.int
        longer: cython.int
        short: cython.int
        slot: cython.uint
        newest: cython.int
        older: cython.int
        start: cython.int
        word: cython.ulonglong
        following: cython.ulonglong
        while index <= limit:
            word = self._load(index)
            length = -1
            ahead = index
            while length < 0:
                index = ahead
                ahead = index + 1 + ((index - emitted) >> 7)
                if ahead > limit:
                    break
                slot = _hash4(word)
                short = self._short[slot] - base
                slot = _hash7(word)
                newest = self._long[2 * slot] - base
                older = self._long[2 * slot + 1] - base
                self._enter(index, word)
                following = self._load(ahead)
                if index - newest < _WINDOW and self._same(newest, word):
                    match = newest
                    length = 0
                    if index - older < _WINDOW and self._same(older, word):
                        length = self._common(index, newest, _MAX_MATCH)
                        longer = self._common(index, older, _MAX_MATCH)
                        if longer > length:
                            length = longer
                            match = older
                    self._enter(ahead, following)
                elif index - newest < _WINDOW and index - older < _WINDOW and self._same(older, word):
                    match = older
                    length = 0
                    self._enter(ahead, following)
                elif index - short < _WINDOW and self._same(short, word):
                    match = short
                    length = self._common(index, short, _MAX_MATCH)
                    slot = _hash7(following)
                    newest = self._long[2 * slot] - base
                    older = self._long[2 * slot + 1] - base
                    self._enter(ahead, following)
                    other = index + 1 - distance
                    longer = self._common(index + 1, other, _MAX_MATCH) if self._same(other, word >> 8) else 0
                    if longer > length:
                        match = other
                        index += 1
                        length = longer
                    elif ahead - newest < _WINDOW:
                        if self._same(newest, following):
                            longer = self._common(ahead, newest, _MAX_MATCH)
                            if longer > length:
                                match = newest
                                index = ahead
                                length = longer
                        if ahead - older < _WINDOW and self._same(older, following):
                            longer = self._common(ahead, older, _MAX_MATCH)
                            if longer > length:
                                match = older
                                index = ahead
                                length = longer
                word = following
            if length < 0:
                break

            if length == 0 or length == _MAX_MATCH:
                length = self._common(index, match, self._end - index)
            if index + length < limit:
                slot = _hash7(self._load(index + length))
                start = index + _SKIP
                other = self._long[2 * slot] - base - length + _SKIP
                if start - other < _WINDOW:
                    if other >= 0 and start > other:
                        longer = self._common(start, other, self._end - start)
                        if longer > length:
                            match = other
                            index = start
                            length = longer
                    other = self._long[2 * slot + 1] - base - length + _SKIP
                    if other >= 0 and 0 < start - other < _WINDOW:
                        longer = self._common(start, other, self._end - start)
                        if longer > length:
                            match = other
                            index = start
                            length = longer
            while match > 0 and index > emitted and self._window[match - 1] == self._window[index - 1]:
                match -= 1
                index -= 1
                length += 1
            self._literals(emitted, index)
            distance = index - match
            self._match(length, distance)
            index += length
            emitted = index
            if ahead >= index:
                index = ahead + 1
            if index >= limit:
                for other in range(ahead + 1, self._end - 8, 2):
                    self._enter(other, self._load(other))
                break
            for other in range(ahead + 1, index - 1, 2):
                word = self._load(other)
                self._enter(other, word)
                self._enter_long(other + 1, word >> 8)
        if self._count:
            self._literals(emitted, self._end)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, index: cython.int, word: cython.ulonglong) -> cython.void:
        """Remember `word` at `index` in both tables."""
        self._short[_hash4(word)] = index + self._base
        self._enter_long(index, word)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter_long(self, index: cython.int, word: cython.ulonglong) -> cython.void:
        slot: cython.uint = 2 * _hash7(word)
        self._long[slot + 1] = self._long[slot]
        self._long[slot] = index + self._base

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter_match(self, index: cython.int, end: cython.int) -> cython.void:
        """Remember some of the words inside a match: the first ones, then every third."""
        word: cython.ulonglong
        if index >= end:
            return
        word = self._load(index)
        self._enter(index, word)
        self._enter_long(index + 1, word >> 8)
        self._short[_hash4(word >> 16)] = index + 2 + self._base
        index += 4
        while index < end:
            word = self._load(index)
            self._enter_long(index, word)
            self._short[_hash4(word >> 8)] = index + 1 + self._base
            index += 3

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _literals(self, begin: cython.int, end: cython.int) -> cython.void:
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        tokens: cython.p_uint = cython.address(self._tokens[0]) if cython.compiled else self._tokens
        count: cython.int = self._count
        i: cython.int
        for i in range(begin, end):
            tokens[count] = window[i]
            count += 1
        self._count = count

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _match(self, length: cython.int, distance: cython.uint) -> cython.void:
        """Append a match of any length; the last piece must not be shorter than 3."""
        piece: cython.uint
        while length > 0:
            piece = length
            if length > _MAX_MATCH:
                piece = self._split if length > _MAX_MATCH + 3 else _MAX_MATCH - 3
            self._tokens[self._count] = piece << 16 | distance
            self._count += 1
            length -= piece

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _same(self, index: cython.int, word: cython.ulonglong) -> cython.bint:
        """Whether the four bytes at `index` are those of `word`."""
        return (self._load(index) ^ word) & _MASK32 == 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _common(self, left: cython.Py_ssize_t, right: cython.Py_ssize_t, most: cython.int) -> cython.int:
        """Return how many bytes are equal from `left` and from the smaller `right` on, at most `most`."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        return common(window, left, right, min(most, self._end - left))

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _load(self, index: cython.Py_ssize_t) -> cython.ulonglong:
        """Return the eight bytes at `index`, little-endian."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        return load64(window, index)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _hash4(word: cython.ulonglong) -> cython.uint:
    return (((word & _MASK32) * _PRIME4) & _MASK32) >> (32 - _BITS)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _hash7(word: cython.ulonglong) -> cython.uint:
    return ((((word << 8) & _MASK64) * _PRIME7) & _MASK64) >> (64 - _BITS)


@cython.cfunc
def _subtract(positions: cython.int[::1], shift: cython.int) -> cython.void:
    i: cython.Py_ssize_t
    for i in range(len(positions)):
        positions[i] = max(positions[i] - shift, 0)
