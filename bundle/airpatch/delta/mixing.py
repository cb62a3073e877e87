# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a line's number is below inputs << slot_bits - 4; a byte takes 2 * inputs lines, a flag half as many, and
# begins with `_room` at most of the packed ones; selectors and refinements are below what the model was made with; a
# stretched probability has 12 bits; whoever codes bits has made room for them.
"""Context mixing: bits predicted in several contexts at once, and an arithmetic coder (spec/DELTA.md, Mixing).

The predictions are mixed by weights that learn which contexts are right, and the result is refined by what has come
out of such results before. This is the architecture of Matt Mahoney's lpaq. All arithmetic is of integers, so every
host computes the same. Reader and writer run the same code: a `Coder` gives back the bit that was written, or the one
that it reads.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.zeroed_memory import ZeroedTables

if cython.compiled:
    from cython.cimports.airpatch.prefetch import fetch
else:
    from airpatch.prefetch import fetch

_MASK32 = cython.declare(cython.ulonglong, (1 << 32) - 1)
_MASK64 = cython.declare(cython.ulonglong, (1 << 64) - 1)
_ONE = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, TAOCP 6.4)
_OTHER = cython.declare(cython.ulonglong, 0xD6E8FEB86659FD93)
_NIBBLE = cython.declare(cython.ulonglong, 0x9E3779B1)
_SPREAD = cython.declare(cython.ulonglong, 0x85EBCA6B)
_SEEN = cython.declare(cython.int, 255)  # bits after which a counter adapts no slower
_SURE = cython.declare(cython.int, 31)  # bits after which a counter is trusted fully
_HEAVIEST = cython.declare(cython.int, 1 << 20)
_UNKNOWN = cython.declare(cython.uint, 1 << 31)  # of a counter: probability 1/2, no bit seen
_FIRST_WEIGHT = 26000  # of 65536
_LINE = cython.declare(cython.Py_ssize_t, 16)  # counters beside each other: of half a byte, or of 16 flags
_REFINED = cython.declare(cython.Py_ssize_t, 33)  # points at which a refinement knows a probability

_POINTS = (
    *(1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607),
    *(3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094),
)
"""4096 / (1 + exp(-x / 256)) at each 128th x from -2048 on."""


def _squashed(x: int) -> int:
    part = (x + 2048) & 127
    at = (x + 2048) >> 7
    return (_POINTS[at] * (128 - part) + _POINTS[at + 1] * part + 64) >> 7


_SQUASH = array("i", [0, *(_squashed(x) for x in range(-2047, 2048))])


def _stretched() -> list[int]:
    table: list[int] = []
    for x in range(-2047, 2048):
        table += [x] * (_SQUASH[x + 2048] + 1 - len(table))
    return table + [2047] * (4096 - len(table))


_STRETCH = array("i", _stretched())
_ADAPTATION = array("i", [655360 // (10 * seen + 16) for seen in range(256)])


@cython.ccall
@cython.nogil
@cython.exceptval(check=False)
def context(content: cython.ulonglong, kind: cython.ulonglong) -> cython.ulonglong:
    """Return the 32-bit hash of a context: what it holds, of 64 bits, and which kind it is of."""
    x: cython.ulonglong = (((content + 1) & _MASK64) * _ONE + kind * _OTHER) & _MASK64
    x ^= x >> 32
    return ((x * _ONE) & _MASK64) >> 32


@cython.cclass
class Coder:
    """A binary arithmetic coder. Types are in mixing.pxd."""

    def __init__(self) -> None:
        self._reading = False
        self._data = b"\0"
        self._size = self._at = 0
        self._low = self._code = 0
        self._high = (1 << 32) - 1
        self._out = bytearray(1)
        self._end = 0

    def read(self, data: bytes) -> None:
        """Begin to read `data`."""
        self._reading = True
        self._data = data or b"\0"
        self._size = len(data)
        self._at = 0
        self._low = self._code = 0
        self._high = (1 << 32) - 1
        for _ in range(4):
            self._code = (self._code << 8 | self._next()) & 0xFFFFFFFF

    def write(self) -> None:
        """Begin to write."""
        self._reading = False
        self._low = 0
        self._high = (1 << 32) - 1
        self._end = 0

    def written(self) -> bytes:
        """Return what was written."""
        return bytes(self._out[: self._end]) + int(self._low).to_bytes(4, "big")

    @cython.ccall
    def make_room(self, bits: cython.Py_ssize_t) -> cython.void:
        """Have room to write so many bits: at worst, each moves all bytes of the bounds."""
        size: cython.Py_ssize_t = self._end + 4 * bits
        if not self._reading and size > len(self._out):
            larger = bytearray(2 * size)
            larger[: self._end] = self._out[: self._end]
            self._out = larger

    @property
    def used_up(self) -> bool:
        """Whether exactly the data has been read."""
        return self._at == self._size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _next(self) -> cython.ulonglong:
        byte: cython.ulonglong = 0
        if self._at < self._size:
            byte = self._data[self._at]
        self._at += 1
        return byte

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def bit(self, bit: cython.int, likely: cython.ulonglong) -> cython.int:
        """Write a bit, or read one; return it. A 1 has the probability `likely` of 4096, neither 0 nor all.

        There must be room to write it.
        """
        middle: cython.ulonglong = self._low + ((self._high - self._low) >> 12) * likely
        if self._reading:
            bit = self._code <= middle
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while (self._low ^ self._high) >> 24 == 0:
            if self._reading:
                self._code = (self._code << 8 | self._next()) & _MASK32
            else:
                self._out[self._end] = cython.cast(cython.uchar, self._high >> 24)
                self._end += 1
            self._low = (self._low << 8) & _MASK32
            self._high = (self._high << 8 | 0xFF) & _MASK32
        return bit


@cython.cclass
class Model:
    """Predicts bits in a number of contexts. Types are in mixing.pxd."""

    def __init__(self, inputs: int, slot_bits: int, selectors: int, refinements: int, rate: int) -> None:
        """There are 1 << slot_bits counters for each of `inputs` contexts, `selectors` sets of weights, of which each
        bit uses one, and as many refinements; weights learn at `rate`.
        """
        self._inputs = inputs
        self._slot_bits = slot_bits
        self._rate = rate
        lines = inputs << (slot_bits - 4)
        self._room = lines >> 3
        self._used = 0
        self._is_packed = True
        packed = 1 + self._room + 2 * inputs
        tables = ZeroedTables(4 * lines + 4 * _LINE * packed)
        self._packed = tables.take(4 * lines).cast("I")
        self._counters = tables.take(4 * _LINE * packed).cast("I")
        self._unpacked = ZeroedTables(4 * _LINE * lines).take(4 * _LINE * lines).cast("I")
        self._weights = array("i", [_FIRST_WEIGHT, 0] * inputs) * selectors
        self._refined = array("i", [_SQUASH[min(128 * i, 4095)] * 16 for i in range(33)]) * refinements
        self.contexts = array("Q", bytes(8 * inputs))
        self._starts = array("q", bytes(8 * inputs))
        self._places = array("q", bytes(8 * inputs))
        self._signals = array("i", bytes(8 * inputs))
        self._squash = _SQUASH
        self._stretch = _STRETCH
        self._adaptation = _ADAPTATION

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def flag(
        self, coder: Coder, bit: cython.int, selector: cython.Py_ssize_t, refinement: cython.Py_ssize_t
    ) -> cython.int:
        """Code one bit by itself, whose contexts are in `contexts`."""
        i: cython.Py_ssize_t
        slot: cython.Py_ssize_t
        if self._used > self._room:
            self._unpack()
        counters: cython.p_uint = cython.address(self._counters[0]) if cython.compiled else self._counters
        for i in range(self._inputs):
            slot = cython.cast(cython.Py_ssize_t, self.contexts[i] >> (32 - self._slot_bits))
            self._places[i] = self._line(i, slot >> 4) + (slot & 15)
            fetch(counters, self._places[i])  # else each would be waited for by itself
        return self._bit(coder, bit, selector, refinement)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def byte(
        self,
        coder: Coder,
        value: cython.int,
        expected: cython.int,
        trust: cython.Py_ssize_t,
        refinement: cython.Py_ssize_t,
    ) -> cython.int:
        """Code a byte, whose contexts are in `contexts`, from its highest bit on.

        While its bits are those of the byte `expected`, selectors from 256 times `trust` on are used; each refinement
        is 256 of the model.
        """
        i: cython.Py_ssize_t
        k: cython.int
        where: cython.ulonglong
        inner: cython.Py_ssize_t
        level: cython.Py_ssize_t
        partial: cython.int = 1
        if self._used > self._room:
            self._unpack()
        counters: cython.p_uint = cython.address(self._counters[0]) if cython.compiled else self._counters
        for k in range(8):
            if k & 3 == 0:
                for i in range(self._inputs):
                    where = self.contexts[i]
                    if k:
                        where = ((where + cython.cast(cython.ulonglong, partial) * _NIBBLE) * _SPREAD) & _MASK32
                    self._starts[i] = self._line(i, cython.cast(cython.Py_ssize_t, where >> (36 - self._slot_bits)))
                    fetch(counters, self._starts[i])
            inner = partial if k < 4 else (1 << (k - 4)) | (partial & ((1 << (k - 4)) - 1))
            for i in range(self._inputs):
                self._places[i] = self._starts[i] + inner
            level = trust if (expected | 256) >> (8 - k) == partial else 0
            partial = partial << 1 | self._bit(
                coder, value >> (7 - k) & 1, partial + 256 * level, refinement << 8 | partial
            )
        return partial & 255

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _line(self, i: cython.Py_ssize_t, number: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Return the place of the first counter of the line of context `i` that has this number, by a hash."""
        number += i << (self._slot_bits - 4)
        if self._is_packed:
            if self._packed[number] == 0:
                self._used += 1
                self._packed[number] = cython.cast(cython.uint, self._used)
            number = self._packed[number]
        return number * _LINE

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _unpack(self) -> cython.void:
        """Move the lines to where their numbers say.

        A small difference would touch each page of that table, which takes longer than its coding, and longer than
        this; in a large one the way to packed lines would be longer.
        """
        number: cython.Py_ssize_t
        i: cython.Py_ssize_t
        at: cython.Py_ssize_t
        for number in range(len(self._packed)):
            at = self._packed[number] * _LINE
            if at:
                for i in range(_LINE):
                    self._unpacked[number * _LINE + i] = self._counters[at + i]
        self._counters = self._packed = self._unpacked
        self._is_packed = False
        self._used = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _bit(
        self, coder: Coder, bit: cython.int, selector: cython.Py_ssize_t, refinement: cython.Py_ssize_t
    ) -> cython.int:
        i: cython.Py_ssize_t
        counter: cython.uint
        seen: cython.int
        likely: cython.int
        signal: cython.int
        mixed: cython.int = 0
        inputs: cython.Py_ssize_t = self._inputs
        first: cython.Py_ssize_t = 2 * inputs * selector
        # All products have less than 32 bits: a signal has 12, a weight 21, an error 13 and those of the rate.
        for i in range(inputs):
            counter = self._counters[self._places[i]] ^ _UNKNOWN
            likely = cython.cast(cython.int, counter >> 20)
            seen = counter & 1023
            signal = self._stretch[likely] if seen else 0
            self._signals[2 * i] = signal
            mixed += (signal * self._weights[first + 2 * i]) >> 16
            signal = ((likely - 2048) * (seen if seen < _SURE else _SURE)) >> 5
            self._signals[2 * i + 1] = signal
            mixed += (signal * self._weights[first + 2 * i + 1]) >> 16
        mixed = 2047 if mixed > 2047 else -2047 if mixed < -2047 else mixed
        likely = self._squash[mixed + 2048]
        # Refine: a point below, a point above, and how far between them.
        row: cython.Py_ssize_t = _REFINED * refinement + ((mixed + 2048) >> 7)
        part: cython.int = (mixed + 2048) & 127
        refined: cython.int = (self._refined[row] * (128 - part) + self._refined[row + 1] * part) >> 11
        refined = (likely + 3 * refined + 2) >> 2
        refined = 1 if refined < 1 else 4095 if refined > 4095 else refined
        bit = coder.bit(bit, cython.cast(cython.ulonglong, refined))
        # Learn.
        row += part > 64
        self._refined[row] += ((bit << 16) - self._refined[row]) >> 6
        error: cython.int = ((bit << 12) - likely) * self._rate
        for i in range(2 * inputs):
            signal = self._weights[first + i] + ((self._signals[i] * error + 0x8000) >> 16)
            self._weights[first + i] = (
                _HEAVIEST if signal > _HEAVIEST else -_HEAVIEST if signal < -_HEAVIEST else signal
            )
        for i in range(inputs):
            counter = self._counters[self._places[i]] ^ _UNKNOWN
            seen = counter & 1023
            likely = cython.cast(cython.int, counter >> 10)
            likely += cython.cast(
                cython.int, (cython.cast(cython.longlong, bit << 22) - likely) * self._adaptation[seen] >> 16
            )
            likely = (1 << 22) - 1 if likely >= 1 << 22 else likely
            seen += seen < _SEEN
            self._counters[self._places[i]] = (cython.cast(cython.uint, likely) << 10 | seen) ^ _UNKNOWN
        return bit
