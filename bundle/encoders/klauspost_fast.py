# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Match search of klauspost/compress flate at level 1: a block of plaintext in, its tokens out.

The decisions are those of `flate/level1.go` from 1.15.11 on (Klaus Post and the Go authors, BSD), re-told
here. One table remembers where five bytes were seen; every second pair of bytes is looked at, fewer the
longer nothing is found. Tokens are those of bundle.deflate.tables.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.bundle.deflate.words import common, load64
else:
    from bundle.deflate.words import common, load64

BLOCK = 65535  # most bytes searched at a time, so most tokens
_WINDOW = cython.declare(cython.int, 1 << 15)
_MAX_MATCH = cython.declare(cython.int, 258)
_MARGIN = cython.declare(cython.int, 11)  # no match begins in a block's last bytes
_BITS = cython.declare(cython.int, 15)
_PRIME5 = cython.declare(cython.ulonglong, 889523592379)
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)
_MASK64 = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)  # hashes wrap


@cython.cclass
class QuickMatcher:
    """The table of one stream; the caller holds the plaintext."""

    # Positions are as in klauspost_deep.
    _window: cython.uchar[::1]
    _table: cython.int[::1]  # hash of 5 bytes -> newest position
    _tokens: cython.uint[::1]
    _token_array: array[int]
    _base: cython.int
    _end: cython.int
    _count: cython.int

    def __init__(self) -> None:
        self._table = array("i", bytes(4 << 15))
        self._token_array = array("I", bytes(4 * BLOCK))
        self._tokens = self._token_array

    def tokens(self, window: bytearray, begin: int, end: int, base: int) -> array[int]:
        """Return the tokens of window[begin:end]; none at all if there is no match.

        As DeepMatcher.tokens.
        """
        self._window = window
        self._end = end
        self._base = base
        self._count = 0
        first: cython.int = begin
        with cython.nogil:
            self._search(first)
        return self._token_array[: self._count]

    def rebase(self, shift: int) -> None:
        """Subtract `shift` from all positions; those that become negative are forgotten."""
        i: cython.Py_ssize_t
        less: cython.int = shift
        for i in range(len(self._table)):
            self._table[i] = max(self._table[i] - less, 0)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, begin: cython.int) -> cython.void:
        """All words are loaded before `_end`; candidates lie before the index and within the window."""
        limit: cython.int = self._end - _MARGIN
        base: cython.int = self._base
        emitted: cython.int = begin  # all before it has its tokens
        index: cython.int = begin
        ahead: cython.int = begin
        match: cython.int
        length: cython.int
        slot: cython.uint
        found: cython.bint
        while True:
            found = False
            match = 0
            while not found:
                ahead = index + 2 + ((index - emitted) >> 5)
                if ahead > limit:
                    break
                slot = self._hash(index)
                match = self._table[slot] - base
                self._table[slot] = index + base
                slot = self._hash(ahead)
                found = index - match < _WINDOW and self._same(match, index)
                if not found:
                    index = ahead
                    ahead += 1
                    match = self._table[slot] - base
                    self._table[slot] = index + base
                    found = index - match < _WINDOW and self._same(match, index)
                if found:
                    self._table[slot] = ahead + base
                else:
                    index = ahead
            if not found:
                break
            while found:
                length = self._common(index, match, self._end - index)
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
                    if index + length + 8 < self._end:
                        self._table[self._hash(index)] = index + base
                    break
                self._table[self._hash(index - 2)] = index - 2 + base
                slot = self._hash(index)
                match = self._table[slot] - base
                self._table[slot] = index + base
                found = index - match <= _WINDOW and self._same(match, index)
            if found:
                break
            index += 1
        if self._count:
            self._literals(emitted, self._end)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _hash(self, index: cython.int) -> cython.uint:
        """Return the hash of the five bytes at `index`."""
        return ((((self._load(index) << 24) & _MASK64) * _PRIME5) & _MASK64) >> (64 - _BITS)

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
                piece = _MAX_MATCH if length > _MAX_MATCH + 3 else _MAX_MATCH - 3
            self._tokens[self._count] = piece << 16 | distance
            self._count += 1
            length -= piece

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _same(self, left: cython.int, right: cython.int) -> cython.bint:
        """Whether the four bytes at `left` and `right` are equal."""
        return (self._load(left) ^ self._load(right)) & _MASK32 == 0

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
