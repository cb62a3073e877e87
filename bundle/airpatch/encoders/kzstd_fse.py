# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# In bounds: symbols are below MAX_SYMBOLS, states below 2**log <= MAX_STATES; `build` fails unless the shares add up
# to that, so each state is given once.
"""Finite state entropy codes as klauspost/compress makes them.

The decisions are those of `fse/compress.go` and `zstd/fse_encoder.go` (Klaus Post, after Yann Collet, BSD),
reimplemented here; what is written is RFC 8878 4.1.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import cython

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
else:
    from airpatch.encoders.kzstd_words import bit_length

MIN_LOG = cython.declare(cython.int, 5)
MAX_SYMBOLS = cython.declare(cython.int, 64)
MAX_STATES = cython.declare(cython.int, 512)  # klauspost/compress has 256 at most, libzstd 512
NEVER = cython.declare(cython.uint, 0xFFFFFFFF)  # the cost of what a code cannot say
_UNASSIGNED = cython.declare(cython.int, -2)
# A share below 8 is rounded up if what is left of it is more than this, in 2**-20.
_ROUNDING = array("I", (0, 473195, 504333, 520860, 550000, 700000, 750000, 830000))


@cython.cclass
class FseCode:
    """A code, and the counts that it is made for.

    `single` is the only symbol of a code of zero bits, else -1. A code of no `symbols` can say nothing. A share of -1
    is one that is less than one state and gets one. Types are in kzstd_fse.pxd.
    """

    def __init__(self) -> None:
        self.counts = array("I", [0]) * MAX_SYMBOLS
        self.shares = array("i", [0]) * MAX_SYMBOLS
        self.states = array("H", [0]) * MAX_STATES
        self.delta_bits = array("I", [0]) * MAX_SYMBOLS
        self.delta_state = array("i", [0]) * MAX_SYMBOLS
        self._symbols_by_state = bytearray(MAX_STATES)
        self._starts = array("i", [0]) * (MAX_SYMBOLS + 1)
        self._rounding = _ROUNDING
        self.symbols = 0
        self.log = 0
        self.single = -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def normalize(self, total: cython.uint, log: cython.int) -> cython.bint:
        """Share 2**log states among the symbols, of which there are `total`; return whether that is possible.

        `counts` and `symbols` have been set; at least two counts are not zero.
        """
        self.log = log
        self.single = -1
        scale: cython.int = 62 - log
        step: cython.ulonglong = (cython.cast(cython.ulonglong, 1) << 62) // total
        left: cython.int = 1 << log
        low: cython.uint = total >> log
        largest: cython.int = 0
        largest_share: cython.int = 0
        share: cython.int
        scaled: cython.ulonglong
        i: cython.int
        for i in range(self.symbols):
            if self.counts[i] == 0:
                self.shares[i] = 0
            elif self.counts[i] <= low:
                self.shares[i] = -1
                left -= 1
            else:
                scaled = self.counts[i] * step
                share = cython.cast(cython.int, scaled >> scale)
                if share < 8:
                    scaled -= cython.cast(cython.ulonglong, share) << scale
                    if scaled > (cython.cast(cython.ulonglong, self._rounding[share]) << (scale - 20)):
                        share += 1
                if share > largest_share:
                    largest_share = share
                    largest = i
                self.shares[i] = share
                left -= share
        if -left >= self.shares[largest] >> 1:
            if not self._normalize_rest(total):
                return False
        else:
            self.shares[largest] += left
        return self.build()

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _normalize_rest(self, total: cython.uint) -> cython.bint:
        """Share states where rounding has given too many away (`normalizeCount2`)."""
        low: cython.uint = total >> self.log
        low_one: cython.uint = (total * 3) >> (self.log + 1)
        given: cython.int = 0
        i: cython.int
        for i in range(self.symbols):
            if self.counts[i] == 0:
                self.shares[i] = 0
            elif self.counts[i] <= low_one:
                self.shares[i] = -1 if self.counts[i] <= low else 1
                given += 1
                total -= self.counts[i]
            else:
                self.shares[i] = _UNASSIGNED
        left: cython.int = (1 << self.log) - given
        if left <= 0:
            return False
        if total // cython.cast(cython.uint, left) > low_one:
            low_one = (total * 3) // cython.cast(cython.uint, left * 2)
            for i in range(self.symbols):
                if self.shares[i] == _UNASSIGNED and self.counts[i] <= low_one:
                    self.shares[i] = 1
                    given += 1
                    total -= self.counts[i]
            left = (1 << self.log) - given
        if total == 0:
            i = 0
            while left > 0:
                if self.shares[i] > 0:
                    left -= 1
                    self.shares[i] += 1
                i = (i + 1) % self.symbols
            return True
        scale: cython.int = 62 - self.log
        so_far: cython.ulonglong = (cython.cast(cython.ulonglong, 1) << (scale - 1)) - 1
        step: cython.ulonglong = ((cython.cast(cython.ulonglong, left) << scale) + so_far) // total
        after: cython.ulonglong
        for i in range(self.symbols):
            if self.shares[i] == _UNASSIGNED:
                after = so_far + self.counts[i] * step
                self.shares[i] = cython.cast(cython.int, (after >> scale) - (so_far >> scale))
                if self.shares[i] < 1:
                    return False
                so_far = after
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def build(self) -> cython.bint:
        """Make the tables out of `shares`; return whether these fit."""
        size: cython.int = 1 << self.log
        high: cython.int = size - 1
        i: cython.int
        share: cython.int
        self._starts[0] = 0
        for i in range(self.symbols):
            share = self.shares[i]
            if share == -1:
                self._starts[i + 1] = self._starts[i] + 1
                if high < 0:
                    return False
                self._symbols_by_state[high] = i
                high -= 1
            else:
                self._starts[i + 1] = self._starts[i] + share
        if self._starts[self.symbols] != size:
            return False
        step: cython.int = (size >> 1) + (size >> 3) + 3
        state: cython.int = 0
        n: cython.int
        _n: cython.int
        for i in range(self.symbols):
            for _n in range(self.shares[i]):
                self._symbols_by_state[state] = i
                state = (state + step) & (size - 1)
                while state > high:
                    state = (state + step) & (size - 1)
        if state != 0:
            return False
        for n in range(size):
            i = self._symbols_by_state[n]
            self.states[self._starts[i]] = size + n
            self._starts[i] += 1
        total: cython.int = 0
        bits: cython.int
        for i in range(self.symbols):
            share = self.shares[i]
            if share == -1 or share == 1:
                self.delta_bits[i] = (self.log << 16) - size
                self.delta_state[i] = total - 1
                total += 1
            elif share > 1:
                bits = self.log - (bit_length(share - 1) - 1)
                self.delta_bits[i] = (bits << 16) - (share << bits)
                self.delta_state[i] = total - share
                total += share
        return total == size

    def least_bits(self) -> list[int]:
        """Return how many bits each symbol takes at least."""
        return [self.delta_bits[i] >> 16 for i in range(self.symbols)]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def copy(self, other: FseCode) -> cython.void:
        """Become the same code as `other`; the counts stay."""
        i: cython.int
        self.symbols = other.symbols
        self.log = other.log
        self.single = other.single
        for i in range(MAX_SYMBOLS):
            self.shares[i] = other.shares[i]
            self.delta_bits[i] = other.delta_bits[i]
            self.delta_state[i] = other.delta_state[i]
        for i in range(1 << self.log):
            self.states[i] = other.states[i]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def set_single(self, symbol: cython.int) -> cython.void:
        """Become the code of a symbol that takes no bits."""
        self.single = symbol
        self.log = 0
        self.states[0] = 0
        self.delta_bits[symbol] = 0
        self.delta_state[symbol] = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def put_shares(self, out: cython.p_uchar, at: cython.int) -> cython.int:
        """Write the description of the table (RFC 8878 4.1.1) to out[at:]; return where it ends."""
        left: cython.int = (1 << self.log) + 1
        threshold: cython.int = 1 << self.log
        width: cython.int = self.log + 1
        word: cython.ulonglong = self.log - MIN_LOG
        bits: cython.int = 4
        after_zero: cython.bint = False
        i: cython.int = 0
        start: cython.int
        share: cython.int
        most: cython.int
        while left > 1:
            if after_zero:
                start = i
                while self.shares[i] == 0:
                    i += 1
                while i >= start + 3:
                    start += 3
                    word |= cython.cast(cython.ulonglong, 3) << bits
                    bits += 2
                    while bits >= 8:
                        out[at] = word & 0xFF
                        at += 1
                        word >>= 8
                        bits -= 8
                word |= cython.cast(cython.ulonglong, i - start) << bits
                bits += 2
            share = self.shares[i]
            i += 1
            most = 2 * threshold - 1 - left
            left -= -share if share < 0 else share
            share += 1
            after_zero = share == 1
            if share >= threshold:
                share += most
            word |= cython.cast(cython.ulonglong, share) << bits
            bits += width - 1 if share < most else width
            while left < threshold:
                width -= 1
                threshold >>= 1
            while bits >= 8:
                out[at] = word & 0xFF
                at += 1
                word >>= 8
                bits -= 8
        if bits:
            out[at] = word & 0xFF
            at += 1
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def cost(self, counts: cython.p_uint, symbols: cython.int) -> cython.uint:
        """Return roughly how many bits symbols take; NEVER if this code lacks one, or is of a single symbol."""
        if self.symbols < symbols or self.single >= 0:
            return NEVER
        sum: cython.uint = 0
        least: cython.uint
        i: cython.int
        for i in range(symbols):
            if counts[i] == 0:
                continue
            if self.shares[i] == 0:
                return NEVER
            least = self.delta_bits[i] >> 16
            sum += counts[i] * (
                ((least + 1) << 8) - (((((least + 1) << 16) - self.delta_bits[i] - (1 << self.log)) << 8) >> self.log)
            )
        return sum >> 8


def fse_code(shares: Sequence[int], log: int) -> FseCode:
    """Return the code with given shares of 2**log states."""
    code = FseCode()
    for i, share in enumerate(shares):
        code.shares[i] = share
    code.symbols = len(shares)
    code.log = log
    code.build()
    return code
