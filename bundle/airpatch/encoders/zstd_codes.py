# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a description is read below its size; symbols are compared with their number before they are entered;
# states are below 2**log <= _MAX_STATES, as `FseCode.build` makes sure; weights are at most 11, and 255.
"""Codes as frames bring them (RFC 8878 4.1 and 4.2): descriptions are read into tables. No input is trusted."""

from __future__ import annotations

from array import array
from functools import cache

import cython

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_fse import FseCode
    from cython.cimports.airpatch.encoders.kzstd_huffman import HuffmanCode
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
else:
    from airpatch.encoders.kzstd_fse import FseCode
    from airpatch.encoders.kzstd_huffman import HuffmanCode
    from airpatch.encoders.kzstd_words import bit_length

    MALFORMED = -1

_MIN_LOG = cython.declare(cython.int, 5)
_MAX_STATES = cython.declare(cython.int, 512)
_SYMBOLS = cython.declare(cython.int, 256)
_MOST_BITS = cython.declare(cython.int, 11)  # of a literal's word
_WEIGHTS_LOG = cython.declare(cython.int, 6)
_PLAIN_WEIGHTS = cython.declare(cython.int, 127)  # a header above says how many weights follow, four bits each


@cython.cclass
class FseTable:
    """A code to read and to write with. Types are in zstd_codes.pxd.

    State n stands for `symbols[n]`, and is followed by `bases[n]` plus as many bits as `widths[n]` says.
    """

    def __init__(self) -> None:
        self.code = FseCode()
        self.symbols = bytearray(_MAX_STATES)
        self.widths = bytearray(_MAX_STATES)
        self.bases = array("H", [0]) * _MAX_STATES
        self._next = array("i", [0]) * 64
        self.valid = False

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def read(
        self, data: cython.p_uchar, size: cython.int, most_log: cython.int, most_symbols: cython.int
    ) -> cython.int:
        """Become the code that `data` begins with the description of; return how many bytes that has, or MALFORMED."""
        log: cython.int
        left: cython.int
        threshold: cython.int
        width: cython.int
        symbol: cython.int = 0
        bit: cython.int = 4
        word: cython.int
        most: cython.int
        share: cython.int
        after_zero: cython.bint = False
        self.valid = False
        if size < 1:
            return MALFORMED
        log = (data[0] & 15) + _MIN_LOG
        if log > most_log:
            return MALFORMED
        left = (1 << log) + 1
        threshold = 1 << log
        width = log + 1
        while left > 1:
            if after_zero:
                word = 3
                while word == 3:
                    if bit >> 3 >= size:
                        return MALFORMED
                    word = peek(data, size, bit) & 3
                    bit += 2
                    share = word
                    while share > 0 and symbol < most_symbols:
                        self.code.shares[symbol] = 0
                        symbol += 1
                        share -= 1
                    if share:
                        return MALFORMED
            if symbol >= most_symbols or bit >> 3 >= size:
                return MALFORMED
            word = peek(data, size, bit)
            most = 2 * threshold - 1 - left
            if (word & (threshold - 1)) < most:
                share = word & (threshold - 1)
                bit += width - 1
            else:
                share = word & (2 * threshold - 1)
                if share >= threshold:
                    share -= most
                bit += width
            share -= 1
            left -= -share if share < 0 else share
            self.code.shares[symbol] = share
            symbol += 1
            after_zero = share == 0
            while left > 0 and left < threshold:
                width -= 1
                threshold >>= 1
        if left != 1 or (bit + 7) >> 3 > size:
            return MALFORMED
        self.code.symbols = symbol
        self.code.log = log
        self.code.single = -1
        if not self.prepare():
            return MALFORMED
        return (bit + 7) >> 3

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def prepare(self) -> cython.bint:
        """Make the tables out of the shares of `code`; return whether these fit."""
        size: cython.int = 1 << self.code.log
        n: cython.int
        symbol: cython.int
        share: cython.int
        self.valid = self.code.build()
        if not self.valid:
            return False
        for n in range(self.code.symbols):
            share = self.code.shares[n]
            self._next[n] = 1 if share == -1 else share
        for n in range(size):
            symbol = self.code._symbols_by_state[n]
            share = self._next[symbol]
            self._next[symbol] += 1
            self.symbols[n] = symbol
            self.widths[n] = self.code.log - (bit_length(share) - 1)
            self.bases[n] = (share << self.widths[n]) - size
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def set_single(self, symbol: cython.int) -> cython.void:
        """Become the code of a symbol that takes no bits."""
        self.code.set_single(symbol)
        self.code.symbols = symbol + 1
        self.symbols[0] = symbol
        self.widths[0] = 0
        self.bases[0] = 0
        self.valid = True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def can_write(self, symbol: cython.int) -> cython.bint:
        """Return whether the code has that symbol."""
        if self.code.single >= 0:
            return symbol == self.code.single
        return symbol < self.code.symbols and self.code.shares[symbol] != 0


@cache
def fse_table(shares: tuple[int, ...], log: int) -> FseTable:
    """Return the code with given shares of 2**log states, which is not to be changed."""
    table = FseTable()
    for i, share in enumerate(shares):
        table.code.shares[i] = share
    table.code.symbols = len(shares)
    table.code.log = log
    table.prepare()
    return table


@cython.cclass
class HuffmanReader:
    """Reads descriptions of codes of literals (RFC 8878 4.2.1)."""

    def __init__(self) -> None:
        self._weights = bytearray(_SYMBOLS)
        self._table = FseTable()
        self._counts = array("i", [0]) * 16
        self._words = array("i", [0]) * 16

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def read(self, code: HuffmanCode, data: cython.p_uchar, size: cython.int) -> cython.bint:
        """Make `code` what all `size` bytes of `data` describe; return whether they do."""
        count: cython.int
        i: cython.int
        if size < 1:
            return False
        if data[0] > _PLAIN_WEIGHTS:
            count = data[0] - _PLAIN_WEIGHTS
            if size != 1 + (count + 1) // 2:
                return False
            for i in range(count):
                self._weights[i] = data[1 + (i >> 1)] & 15 if i & 1 else data[1 + (i >> 1)] >> 4
        else:
            if size != 1 + data[0]:
                return False
            count = self._packed(self._table, data, size)
            if count < 0:
                return False
        return self._assign(code, count)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _packed(self, table: FseTable, data: cython.p_uchar, size: cython.int) -> cython.int:
        """Read weights that two states tell in turn; return how many, or MALFORMED."""
        begin: cython.int = 1 + table.read(data + 1 if cython.compiled else data[1:], size - 1, _WEIGHTS_LOG, 13)
        bit: cython.int
        state: cython.int
        other: cython.int
        swap: cython.int
        count: cython.int = 0
        log: cython.int = table.code.log
        if begin < 1 or begin >= size or data[size - 1] == 0:
            return MALFORMED
        bit = 8 * (size - 1) + bit_length(data[size - 1]) - 1
        if bit - 2 * log < 8 * begin:
            return MALFORMED
        state = peek(data, size, bit - log) & ((1 << log) - 1)
        other = peek(data, size, bit - 2 * log) & ((1 << log) - 1)
        bit -= 2 * log
        while count < _SYMBOLS - 1:
            self._weights[count] = table.symbols[state]
            count += 1
            bit -= table.widths[state]
            if bit < 8 * begin:
                if count == _SYMBOLS - 1:
                    return MALFORMED
                self._weights[count] = table.symbols[other]
                return count + 1
            state = table.bases[state] + (peek(data, size, bit) & ((1 << table.widths[state]) - 1))
            swap = state
            state = other
            other = swap
        return MALFORMED

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _assign(self, code: HuffmanCode, count: cython.int) -> cython.bint:
        """Give words to the symbols by their weights, of which the last one is not told."""
        total: cython.int = 0
        rest: cython.int
        log: cython.int
        bits: cython.int
        word: cython.int = 0
        i: cython.int
        for i in range(count):
            if self._weights[i] > _MOST_BITS:
                return False
            total += (1 << self._weights[i]) >> 1
        log = bit_length(total)
        rest = (1 << log) - total
        if total == 0 or log > _MOST_BITS or rest & (rest - 1):
            return False
        self._weights[count] = bit_length(rest)
        count += 1
        for bits in range(16):
            self._counts[bits] = 0
        for i in range(count):
            if self._weights[i]:
                self._counts[log + 1 - self._weights[i]] += 1
        for bits in range(log, 0, -1):
            self._words[bits] = word
            word = (word + self._counts[bits]) >> 1
        for i in range(_SYMBOLS):
            code.entries[i] = 0
        for i in range(count):
            if self._weights[i]:
                bits = log + 1 - self._weights[i]
                code.entries[i] = self._words[bits] | bits << 16
                self._words[bits] += 1
        code.symbols = count
        code.log = log
        return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def peek(data: cython.p_uchar, size: cython.int, bit: cython.int) -> cython.int:
    """Return at least 16 bits from that bit on, 0 beyond the end."""
    at: cython.int = bit >> 3
    word: cython.int = data[at] if at < size else 0
    if at + 1 < size:
        word |= data[at + 1] << 8
    if at + 2 < size:
        word |= data[at + 2] << 16
    return word >> (bit & 7)
