# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: words are loaded before `_end`, 15 bytes early; a candidate is at most a window before the index, which
# is at least BLOCK; there is one token a byte at most; a slot has 14 bits.
"""Match search of Go's compress/flate up to Go 1.26 at level 1: a block of uncompressed data in, its tokens out.

The decisions are those of `compress/flate/deflatefast.go` (the Go authors, BSD, after Snappy), reimplemented
here: one table that remembers for each hash the last four bytes seen and where; the longer nothing is
found, the more bytes are skipped. Tokens are those of airpatch.deflate.tables.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import common
else:
    from airpatch.byte_access import common

BLOCK = 65535  # bytes compressed at a time
_BLOCK = cython.declare(cython.int, BLOCK)
_MASK = cython.declare(cython.uint, 0xFFFFFFFF)  # hashes wrap
_WINDOW = cython.declare(cython.int, 1 << 15)
_MAX_MATCH = cython.declare(cython.int, 258)
_MARGIN = cython.declare(cython.int, 15)  # no match begins in a block's last bytes
_TABLE_BITS = cython.declare(cython.int, 14)
_REBASE = cython.declare(cython.int, 1 << 30)


@cython.cclass
class FastMatcher:
    """The state of one stream. Memory: two blocks, and 256 KiB of tokens."""

    # `_window` holds the block before and the current one, which begins at index _BLOCK. A position is an
    # index into `_window` plus `_base`, so that position 0 is out of reach from the first block.
    _window: cython.uchar[::1]
    _words: cython.uint[::1]  # hash -> four bytes
    _positions: cython.int[::1]  # hash -> their position
    _tokens: cython.uint[::1]
    _token_array: array[int]
    _uncompressed: memoryview
    _base: cython.int
    _size: cython.int

    def __init__(self) -> None:
        self._uncompressed = memoryview(bytearray(2 * BLOCK))
        self._window = self._uncompressed
        self._words = array("I", bytes(4 << _TABLE_BITS))
        self._positions = array("i", bytes(4 << _TABLE_BITS))
        self._token_array = array("I", bytes(4 * BLOCK))
        self._tokens = self._token_array
        self._base = 0
        self._size = 0

    @property
    def source(self) -> memoryview:
        """The uncompressed data of the current block."""
        return self._uncompressed[_BLOCK : _BLOCK + self._size]

    def fill(self, data: memoryview) -> int:
        """Take uncompressed data; return how many bytes of it were taken, 0 if the block is full."""
        taken = min(len(data), _BLOCK - self._size)
        self._uncompressed[_BLOCK + self._size : _BLOCK + self._size + taken] = data[:taken]
        self._size += taken
        return taken

    def tokens(self) -> array[int]:
        """Return the tokens of the current block."""
        if self._base >= _REBASE:
            self._rebase()
        count: cython.int
        with cython.nogil:
            count = self._search()
        return self._token_array[:count]

    def next(self) -> None:
        """Begin the next block. The current one must have been full."""
        self._uncompressed[:_BLOCK] = self._uncompressed[_BLOCK:]
        self._base += _BLOCK
        self._size = 0

    @cython.cfunc
    def _rebase(self) -> cython.void:
        """Make positions small again; those that no match can reach any more become 0."""
        i: cython.int
        for i in range(len(self._positions)):
            self._positions[i] = max(self._positions[i] - self._base, 0)
        self._base = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self) -> cython.int:
        """Fill in the tokens of the block; return their number.

        Words are loaded from inside the block only; candidates lie at most _WINDOW before the index.
        """
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        end: cython.int = _BLOCK + self._size
        limit: cython.int = end - _MARGIN
        count: cython.int = 0
        emitted: cython.int = _BLOCK  # all before it has its tokens
        index: cython.int = _BLOCK
        ahead: cython.int
        skip: cython.int
        candidate: cython.int
        length: cython.int
        while index <= limit:
            skip = 32  # 32 words without a match: then every second one is looked at, and so on
            candidate = -1
            while candidate < 0:
                ahead = index + (skip >> 5)
                if ahead > limit:
                    break
                skip += skip >> 5
                candidate = self._swap(index)
                if candidate < 0:
                    index = ahead
            if candidate < 0:
                break
            while emitted < index:
                self._tokens[count] = self._window[emitted]
                count += 1
                emitted += 1
            while candidate >= 0:
                length = common(window, candidate, window, index, min(_MAX_MATCH, end - index))
                self._tokens[count] = cython.cast(cython.uint, length) << 16 | (index - candidate)
                count += 1
                index += length
                candidate = -1
                if index < limit:
                    self._swap(index - 1)
                    candidate = self._swap(index)
            emitted = index
            index += 1
        while emitted < end:
            self._tokens[count] = self._window[emitted]
            count += 1
            emitted += 1
        return count

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _swap(self, index: cython.Py_ssize_t) -> cython.int:
        """Remember the word at `index`; return where it was seen before, or -1."""
        word: cython.uint = (
            self._window[index]
            | self._window[index + 1] << 8
            | self._window[index + 2] << 16
            | cython.cast(cython.uint, self._window[index + 3]) << 24
        )
        slot: cython.uint = ((word * 0x1E35A7BD) & _MASK) >> (32 - _TABLE_BITS)
        candidate: cython.int = self._positions[slot] - self._base
        same: cython.bint = self._words[slot] == word
        self._positions[slot] = index + self._base
        self._words[slot] = word
        return candidate if same and index - candidate <= _WINDOW else -1
