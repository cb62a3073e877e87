"""Which sets of features share rare ones with a given set: an inverted index in bounded memory.

A feature that is in many sets does not tell them apart, and would make the search quadratic: of each feature the first
`MANY` sets are kept, and what a set shares counts the less the more of them share it.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import cython

MANY = 16
"""Sets of a feature that are kept."""
BYTES = 16
"""Bytes of memory for each feature."""

_MANY = cython.declare(cython.int, MANY)
_MIXER = cython.declare(cython.ulonglong, 0xC2B2AE3D27D4EB4F)  # an odd constant, of xxHash
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)


class Votes(NamedTuple):
    """What the set `number` shares with another, in bytes.

    `rare` features are those that fewer than `MANY` sets have; each is shared out to these sets.
    """

    number: int
    rare: int
    common: int


@cython.cclass
class SketchIndex:
    """At most `most` features (below 2**32) of sets that have numbers from 0."""

    # A feature's entries are chained from its slot: entry n - 1 for the number n, none for 0.
    _slots: cython.uint[::1]
    _next: cython.uint[::1]
    _tags: cython.uint[::1]
    _numbers: cython.uint[::1]
    _used: cython.uint
    _mask: cython.ulonglong

    def __init__(self, most: int) -> None:
        slots = 1 << max(most - 1, 1).bit_length()
        self._slots = array("I", [0]) * slots
        self._mask = slots - 1
        self._next, self._tags, self._numbers = (array("I", [0]) * most for _ in range(3))
        self._used = 0

    def add(self, number: int, hashes: array[int]) -> None:
        """Add the set `number`; numbers must ascend."""
        if hashes:
            self._add(number, hashes)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _add(self, number: cython.uint, hashes: cython.ulonglong[::1]) -> cython.void:
        # In bounds: a slot is masked, entries are numbered from 1 to `_used`, which is compared with their room.
        i: cython.Py_ssize_t
        h: cython.ulonglong
        tag: cython.uint
        slot: cython.ulonglong
        at: cython.uint
        count: cython.int
        for i in range(len(hashes)):
            h = _mix(hashes[i])
            tag = cython.cast(cython.uint, h >> 32)
            slot = h & self._mask
            count = 0
            at = self._slots[slot]
            while at and count < _MANY:
                count += self._tags[at - 1] == tag
                at = self._next[at - 1]
            if count < _MANY and self._used < cython.cast(cython.uint, len(self._tags)):
                self._tags[self._used] = tag
                self._numbers[self._used] = number
                self._next[self._used] = self._slots[slot]
                self._used += 1
                self._slots[slot] = self._used

    def votes(self, hashes: array[int], weights: array[int], count: int) -> list[Votes]:
        """Return what each of the first `count` sets shares with a set of `hashes` and `weights`, if anything."""
        rare, common = array("Q", [0]) * count, array("Q", [0]) * count
        met = array("I")
        if hashes and count:
            self._vote(hashes, weights, count, rare, common, met)
        return [Votes(number, rare[number], common[number]) for number in met]

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    def _vote(
        self,
        hashes: cython.ulonglong[::1],
        weights: cython.uint[::1],
        count: cython.uint,
        rare: cython.ulonglong[::1],
        common: cython.ulonglong[::1],
        met: array[int],
    ) -> cython.void:
        i: cython.Py_ssize_t
        h: cython.ulonglong
        tag: cython.uint
        at: cython.uint
        first: cython.uint
        found: cython.int
        number: cython.uint
        # In bounds: entries are those of `_add`, numbers are compared with count.
        for i in range(len(hashes)):
            h = _mix(hashes[i])
            tag = cython.cast(cython.uint, h >> 32)
            first = self._slots[h & self._mask]
            found = 0
            at = first
            while at:
                found += self._tags[at - 1] == tag
                at = self._next[at - 1]
            at = first
            while at and found:
                number = self._numbers[at - 1]
                if self._tags[at - 1] == tag and number < count:
                    if rare[number] == 0 and common[number] == 0:
                        met.append(number)
                    if found < _MANY:
                        rare[number] += weights[i] // found + 1
                    else:
                        common[number] += weights[i] + 1
                at = self._next[at - 1]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _mix(h: cython.ulonglong) -> cython.ulonglong:
    """Spread all bits of the hash: those of a sample are small numbers."""
    h = ((h ^ (h >> 32)) * _MIXER) & _MASK64
    return h ^ (h >> 32)
