# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: there are four parts for each of the names that are counted, all of them offsets into the strings, whose
# last byte is 0, where every string ends; a place is below the count.
"""The perfect hash of the JDK's `modules` file, of OpenJDK's PerfectHashBuilder (spec/VIEWS.md, Indexes of jimage)."""

from __future__ import annotations

from array import array

import cython

from airpatch.errors import FormatError

MAX_HASHED = 32
"""Bytes of names that may be hashed for each byte of an index; a JDK has three."""
FREE_HASHED = 1 << 16
"""And bytes that may be anyway."""
MAX_SEEDS = 1000
"""Seeds that are tried for names which share a place of the table; then PerfectHashBuilder takes a larger table."""

_SEED = cython.declare(cython.uint, 0x01000193)  # FNV, 32 bits; the multiplier, too
_MASK32 = cython.declare(cython.uint, 0xFFFFFFFF)
_POSITIVE = cython.declare(cython.uint, 0x7FFFFFFF)
_EACH = cython.declare(cython.longlong, 16)  # bytes that a name counts beside its own
_MAX_SEEDS = cython.declare(cython.int, MAX_SEEDS)
_SLASH = cython.declare(cython.uint, ord("/"))
_DOT = cython.declare(cython.uint, ord("."))


@cython.final
@cython.cclass
class HashTable:
    """The table of the perfect hash, made of names, four parts each, which are offsets into `strings`; so many bytes
    may be hashed.
    """

    _strings: cython.const[cython.uchar][::1]
    _names: cython.const[cython.uint][::1]
    _count: cython.int
    _left: cython.longlong
    _redirect: cython.int[::1]
    _order: cython.int[::1]

    def __init__(
        self,
        strings: cython.const[cython.uchar][::1],
        names: cython.const[cython.uint][::1],
        count: cython.int,
        left: cython.longlong,
    ) -> None:
        self._strings = strings
        self._names = names
        self._count = count
        self._left = left
        self._redirect = array("i", bytes(4 * count + 4))
        self._order = array("i", [-1]) * (count + 1)

    def made(self) -> tuple[list[int], list[int]]:
        """Return the table, and which name has each place. Raises FormatError if some names have none, or if it would
        take too long.
        """
        buckets: list[list[int]] = [[] for _ in range(self._count)]
        number: cython.int
        free: cython.int = 0
        for number in range(self._count):
            buckets[self._hash(number, _SEED)].append(number)
        sizes = list(map(len, buckets))
        for bucket in sorted(range(self._count), key=sizes.__getitem__, reverse=True):
            numbers = buckets[bucket]
            if len(numbers) > 1:
                self._redirect[bucket] = self._seed(numbers)
                continue
            if not numbers:
                break
            while self._order[free] >= 0:  # as many places as names
                free += 1
            self._order[free] = numbers[0]
            self._redirect[bucket] = -1 - free
        return list(self._redirect[: self._count]), list(self._order[: self._count])

    @cython.cfunc
    @cython.exceptval(-1)
    def _seed(self, numbers: list[int]) -> cython.int:
        """Give names places that are free; return by which seed."""
        seed: cython.uint = _SEED
        taken: list[int]
        place: cython.int
        for _ in range(_MAX_SEEDS):
            seed += 1
            taken = []
            for number in numbers:
                place = self._hash(number, seed)
                if self._order[place] >= 0:
                    break
                self._order[place] = number
                taken.append(place)
            if len(taken) == len(numbers):
                return seed
            for each in taken:
                self._order[each] = -1
        raise FormatError("a jimage index with names that have no places")

    @cython.cfunc
    @cython.exceptval(-1)
    def _hash(self, number: cython.int, seed: cython.uint) -> cython.int:
        """Return the place of a name, `/module/parent/name.extension`."""
        value: cython.uint = seed
        part: cython.int
        at: cython.uint
        begin: cython.uint
        for part in range(4):
            begin = at = self._names[4 * number + part]
            if at == 0 and part != 2:
                continue
            if part in (0, 3):
                value = ((value * _SEED) & _MASK32) ^ (_DOT if part else _SLASH)
            while self._strings[at]:
                value = ((value * _SEED) & _MASK32) ^ self._strings[at]
                at += 1
            if part < 2:
                value = ((value * _SEED) & _MASK32) ^ _SLASH
            self._left -= at - begin
        self._left -= _EACH
        if self._left < 0:
            raise FormatError("a jimage index whose names have too few free places")
        return (value & _POSITIVE) % self._count
