# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# In bounds: bytes and words lie before `_end`; a match has 4 bytes to a block's, an offset below 2**32, which the
# tables of costs cover.
"""What the match searches of klauspost/compress zstd at its level best have in common.

From `zstd/enc_best.go` and `compressible.go` (Klaus Post, BSD), reimplemented here. What a match costs is weighed
against what its bytes would cost as literals, taken from the block's Shannon entropy.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.encoders.kzstd_sequence_codes import match_costs, offset_costs

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load64
    from cython.cimports.airpatch.encoders.kzstd_matcher import ZstdMatcher
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length, hash4, hash8, pair
else:
    from airpatch.byte_access import load64
    from airpatch.encoders.kzstd_matcher import ZstdMatcher
    from airpatch.encoders.kzstd_words import bit_length, hash4, hash8, pair

    SHORT_BITS = 18
    LONG_BITS = 22

_SMALL_MATCH = cython.declare(cython.uint, 128)  # lengths below have their costs in a table

# Of Go's math.Log, which is FreeBSD's (Sun Microsystems, freely granted): every rounding counts.
_SQRT_HALF = cython.declare(cython.double, 7.07106781186547524401e-01)
_LN2_HIGH = cython.declare(cython.double, 6.93147180369123816490e-01)
_LN2_LOW = cython.declare(cython.double, 1.90821492927058770002e-10)
_L1 = cython.declare(cython.double, 6.666666666666735130e-01)
_L2 = cython.declare(cython.double, 3.999999999940941908e-01)
_L3 = cython.declare(cython.double, 2.857142874366239149e-01)
_L4 = cython.declare(cython.double, 2.222219843214978396e-01)
_L5 = cython.declare(cython.double, 1.818357216161805012e-01)
_L6 = cython.declare(cython.double, 1.531383769920937332e-01)
_L7 = cython.declare(cython.double, 1.479819860511658591e-01)
_LOG2_E = cython.declare(cython.double, 1.4426950408889634)


@cython.cclass
class BestTables(ZstdMatcher):
    """A table by four bytes and one by eight, both two deep, and costs."""

    def __init__(self, reach: int) -> None:
        super().__init__(reach)
        self._short = self._new_table(SHORT_BITS, both=True)
        self._long = self._new_table(LONG_BITS, both=True)
        self._counts = array("I", [0]) * 256
        self._offset_costs = bytearray(offset_costs())
        self._match_costs = bytearray(match_costs())
        self._weight = 0

    def take_tables(self, other: ZstdMatcher) -> None:
        """Go on with the tables of another search of this level, which is over: new ones have to be zeroed."""
        if not isinstance(other, BestTables):
            raise TypeError("a search of another level")
        best: BestTables = other
        self._short, self._long = best._short, best._long
        self._go_on(best)

    def reset(self) -> None:
        """Begin another frame: forget all uncompressed data."""
        super().reset()
        self._weight = 0

    def weigh(self, block: bytes) -> None:
        """Begin another frame. Until the next one, take a literal to cost what it does in `block`."""
        self.reset()
        if not block:
            return
        begin, self._end = self.fill(block)
        weight = self._bits_per_byte(begin)
        self.reset()
        self._weight = weight

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, at: cython.int, end: cython.int) -> cython.void:
        """Enter the positions from `at` to before `end`."""
        window: cython.p_uchar = cython.address(self._window[0]) if cython.compiled else self._window
        word: cython.ulonglong
        slot: cython.uint
        while at < end:
            word = load64(window, at)
            slot = hash8(word, LONG_BITS)
            self._long[slot] = pair(self._long[slot], at + self._base)
            slot = hash4(word, SHORT_BITS)
            self._short[slot] = pair(self._short[slot], at + self._base)
            at += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _bits_per_byte(self, begin: cython.int) -> cython.int:
        """Return how many 1024ths of a bit a literal of the block takes (`ShannonEntropyBits`), at least 1024."""
        size: cython.int = self._end - begin
        inverse: cython.double = 1.0 / size
        sum: cython.double = 0.0
        bits: cython.double
        whole: cython.longlong
        count: cython.uint
        i: cython.int
        if self._weight:
            return self._weight
        for i in range(256):
            self._counts[i] = 0
        for i in range(begin, self._end):
            self._counts[self._window[i]] += 1
        for i in range(256):
            count = self._counts[i]
            if count:
                bits = -_log2(count * inverse) * count
                whole = cython.cast(cython.longlong, bits)
                sum += whole + 1 if whole < bits else whole
        return max(cython.cast(cython.int, cython.cast(cython.longlong, sum) * 1024 // size), 1024)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _cost(self, offset: cython.uint, length: cython.uint) -> cython.int:
        """Return the bits of a match by the default codes; `offset` is the value that is coded."""
        code: cython.int = bit_length(offset) - 1
        length -= 3
        cost: cython.int = self._offset_costs[code]
        if length < _SMALL_MATCH:
            return cost + self._match_costs[length]
        return cost + self._match_costs[_SMALL_MATCH + bit_length(length)]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _log2(number: cython.double) -> cython.double:
    """Return the binary logarithm of a number over 0 up to 1."""
    exponent: cython.int = 0
    while number < 0.5:
        number *= 2
        exponent -= 1
    while number >= 1:
        number *= 0.5
        exponent += 1
    if number == 0.5:
        return exponent - 1
    shift: cython.double = 0.0
    if number <= _SQRT_HALF:
        shift = -1.0
    f: cython.double = (number * 2 if shift < 0 else number) - 1
    s: cython.double = f / (2 + f)
    s2: cython.double = s * s
    s4: cython.double = s2 * s2
    t1: cython.double = s2 * (_L1 + s4 * (_L3 + s4 * (_L5 + s4 * _L7)))
    t2: cython.double = s4 * (_L2 + s4 * (_L4 + s4 * _L6))
    half_square: cython.double = 0.5 * f * f
    logarithm: cython.double = shift * _LN2_HIGH - (
        (half_square - (s * (half_square + (t1 + t2)) + shift * _LN2_LOW)) - f
    )
    return logarithm * _LOG2_E + exponent
