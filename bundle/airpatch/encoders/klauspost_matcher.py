# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: tables are gone through by their lengths; the searches state theirs.
"""What the matchers of klauspost/compress flate, levels 1 to 6, have in common: a block in, its tokens out."""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders import klauspost_shared

BLOCK = klauspost_shared.BLOCK
MAX_MATCH = klauspost_shared.MAX_MATCH


@cython.cclass
class BlockMatcher:
    """The tables of one stream; the caller holds the uncompressed data.

    A position is an index into the window plus `_base`, which grows when the window slides; so positions stay valid.
    Position 0 is out of reach: `_base` is at least 65535. Types are in klauspost_matcher.pxd.
    """

    def __init__(self, piece: int = MAX_MATCH) -> None:
        self._token_array = array("I", [0]) * BLOCK
        self._tokens = self._token_array
        self._tables: list[array[int]] = []
        self._piece = piece  # a longer match is cut into such pieces (put_match)

    def tokens(self, window: bytearray, begin: int, end: int, base: int) -> array[int]:
        """Return the tokens of window[begin:end]; none at all if there is no match.

        Indexes into `window` plus `base` are positions. At most BLOCK bytes are searched, all else before `begin` must
        have been searched before, or be unreachable.
        """
        self._window = window
        self._end = end
        self._base = base
        first: cython.int = begin
        count: cython.int
        with cython.nogil:
            count = self._search(first)
        return self._token_array[:count]

    def rebase(self, shift: int) -> None:
        """Subtract `shift` from all positions; those that become negative are forgotten."""
        less: cython.int = shift
        i: cython.Py_ssize_t
        for table in self._tables:
            positions: cython.int[::1] = table
            for i in range(len(table)):
                positions[i] = max(positions[i] - less, 0)

    def _new_table(self, entries: int) -> array[int]:
        """Return a table of positions that takes part in `rebase`."""
        table = array("i", [0]) * entries
        self._tables.append(table)
        return table

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _search(self, begin: cython.int) -> cython.int:
        """Write the tokens of _window[begin:_end] to `_tokens`; return their number.

        All words are loaded before `_end`; candidates lie before the index and within the window.
        """
        return 0
