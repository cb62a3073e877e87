# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a hash has the bits of the table, which is made before it is asked.
"""Offsets of matches foretold by content: where a match with the same first bytes began last (spec/ENCODERS.md,
Decisions).

Encoders find matches by such hashes, and mostly take the newest candidate. Nothing here is trusted.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_words import hash6
else:
    from airpatch.encoders.kzstd_words import hash6

    RECURRING = 6

PLACES_LOG = 16
"""The logarithm of how many places are remembered."""
_WORD = cython.declare(cython.longlong, 0xFFFFFFFF)
_LOG = cython.declare(cython.int, PLACES_LOG)


@cython.cclass
class Recurrence:
    """Foretells offsets, for matches in ascending order. Types are in zstd_recurrence.pxd."""

    def __init__(self) -> None:
        self._places = array("I", (0,))
        self._begin = 0

    def make_room(self) -> None:
        """Make the table, before the first offset is asked for: most frames that are read need none."""
        if len(self._places) == 1:
            self._places = array("I", (0,)) * (1 << PLACES_LOG)

    def reset(self, position: int) -> None:
        """Forget all before `position`, where another frame begins."""
        self._begin = position

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def offset(self, position: cython.longlong, word: cython.ulonglong) -> cython.longlong:
        """Return the offset foretold for a match that begins at `position` with the first `RECURRING` bytes of `word`;
        0 if there is none. Remember the match.
        """
        slot: cython.uint = hash6(word, _LOG)
        place: cython.uint = cython.cast(cython.uint, position & _WORD)
        offset: cython.longlong = (place - self._places[slot]) & _WORD
        self._places[slot] = place
        return offset if offset < position - self._begin else 0
