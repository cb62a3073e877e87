"""Content-defined samples of a byte stream: what two streams have in common shows in the samples that they share.

At every position the hash of the 32 bytes before it decides whether it is a sample: the smallest `MINIMA` of the stream
are (MinHash: Broder, "On the resemblance and containment of documents", 1997), and all below a fixed limit, about one
in `SPACING` bytes (FracMinHash: Irber et al., 2022; Odess: Zou et al., 2021, samples Gear hashes so). The minima
describe a small file; those below the limit are as many as there is content, and so tell what part of one stream
another one contains, whatever their sizes. Where the bytes lie does not count.

The hash is Gear with two bits a byte in place of one: h = 4h + WORDS[byte] mod 2**64, which forgets a byte after 32.
Equal samples count once, so periods give few however long they are. A run of one byte gives none: it says nothing about
what surrounds it, and is in everything.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.gear import WORDS

SPACING = 1 << 14
"""Bytes of content for each sample below the limit: 512 bytes of samples for each MiB."""
MINIMA = 8
"""Samples of a stream that are taken whatever its size, as long as it has as many times `SMALL` bytes."""
SMALL = 1 << 10
WINDOW = 32
"""Bytes that decide about a sample."""

_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_WINDOW = cython.declare(cython.longlong, WINDOW)
_MINIMA = cython.declare(cython.int, MINIMA)
_BELOW = cython.declare(cython.ulonglong, (1 << 64) // SPACING)
_RUNS = array("Q", (word * pow(-3, -1, 1 << 64) % (1 << 64) for word in WORDS))
"""The hash of a window of each byte alone: it does not change, so h = 4h + word."""
_LONG = cython.declare(cython.Py_ssize_t, 1 << 10)  # bytes that are gone through in two halves
_MANY = 1 << 16  # samples after which equal ones are looked for


@cython.cclass
class Sampler:
    """Takes one stream, piece by piece."""

    _hash: cython.ulonglong
    _last: cython.ulonglong
    _limit: cython.ulonglong
    _size: cython.longlong
    _minima: cython.ulonglong[::1]
    _found: array[int]
    _many: cython.Py_ssize_t

    def __init__(self) -> None:
        self._hash = 0
        self._last = _MASK64
        self._limit = _MASK64
        self._size = 0
        self._minima = array("Q", [_MASK64]) * MINIMA
        self._found = array("Q")
        self._many = _MANY

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.ccall
    def feed(self, data: cython.const[cython.uchar][::1]) -> cython.void:
        """Take the next bytes of the stream, any object that gives them without a copy."""
        words: cython.ulonglong[::1] = WORDS
        runs: cython.ulonglong[::1] = _RUNS
        h: cython.ulonglong = self._hash
        other: cython.ulonglong = 0
        limit: cython.ulonglong = self._limit
        size: cython.Py_ssize_t = len(data)
        # The hash covers a whole window from here on.
        whole: cython.longlong = max(_WINDOW - self._size - 1, 0)
        # Each hash waits for the one before it: so a second one goes through the second half meanwhile.
        half: cython.Py_ssize_t = size // 2 if size >= _LONG else 0
        i: cython.Py_ssize_t
        # In bounds: i < size, half + i < 2 * half <= size, and a byte indexes 256 words.
        with cython.nogil:
            if half:
                for i in range(half - _WINDOW, half):
                    other = ((other << 2) + words[data[i]]) & _MASK64
                for i in range(half):
                    h = ((h << 2) + words[data[i]]) & _MASK64
                    other = ((other << 2) + words[data[half + i]]) & _MASK64
                    if h < limit or other < limit:
                        if h < limit and i >= whole and h != self._last and h != runs[data[i]]:
                            self._last = h
                            self._take(h)
                        if other < limit and other != runs[data[half + i]]:
                            self._take(other)
                        limit = self._limit
                h = other
            for i in range(2 * half, size):
                h = ((h << 2) + words[data[i]]) & _MASK64
                if h < limit and i >= whole and h != self._last and h != runs[data[i]]:
                    self._last = h
                    self._take(h)
                    limit = self._limit
        self._hash = h
        self._size += size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _take(self, h: cython.ulonglong) -> cython.void:
        """Keep a hash that is a sample, as far as is known."""
        self._lower(h)
        if h < _BELOW:
            with cython.gil:
                self._found.append(h)
                if len(self._found) >= self._many:
                    self._found = _once(self._found)
                    self._many = 2 * len(self._found) + _MANY

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _lower(self, h: cython.ulonglong) -> cython.void:
        """Sort `h` into the minima, unless it is there or is none."""
        # In bounds: place < _MINIMA.
        minima: cython.ulonglong[::1] = self._minima
        place: cython.int = _MINIMA - 1
        i: cython.int
        if h >= minima[place]:
            return
        while place > 0 and minima[place - 1] >= h:
            place -= 1
        if minima[place] == h:
            return
        for i in range(_MINIMA - 1, place, -1):
            minima[i] = minima[i - 1]
        minima[place] = h
        self._limit = max(minima[_MINIMA - 1], _BELOW)

    def finish(self) -> array[int]:
        """Return the samples of the stream, each once, ascending; none if it was empty or one byte repeated."""
        if not self._size:
            return array("Q")
        if self._size < WINDOW:
            return array("Q", [self._hash])
        count = min(-(-self._size // SMALL), MINIMA)
        minima = [h for h in list(self._minima)[:count] if h != _MASK64]
        return _once(array("Q", minima) + self._found)


def _once(samples: array[int]) -> array[int]:
    return array("Q", sorted(set(samples)))
