# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# In bounds: 256 symbols make 511 nodes; words have 1 to 11 bits; of at most 2**most symbols, one has a shorter word as
# long as lengths promise too many; callers have room for 11 bits a literal and 8 bytes.
"""Huffman codes of literals as klauspost/compress makes them.

The decisions are those of `huff0/compress.go` and `huff0/huff0.go` (Klaus Post, after Yann Collet, BSD), reimplemented
here; what is written is RFC 8878 4.2.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.airpatch.byte_access import store64
    from cython.cimports.airpatch.encoders.kzstd_fse import FseCode
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
else:
    from airpatch.byte_access import store64
    from airpatch.encoders.kzstd_fse import FseCode
    from airpatch.encoders.kzstd_words import bit_length

_SYMBOLS = cython.declare(cython.int, 256)
_MOST_BITS = cython.declare(cython.int, 11)
_NODES = cython.declare(cython.int, 512)
_NONE = cython.declare(cython.int, -1)
_WEIGHTS_LOG = cython.declare(cython.int, 6)
_MOST_PLAIN_WEIGHTS = cython.declare(cython.int, 128)


@cython.cclass
class HuffmanCode:
    """A code: entries[symbol] is its word, and its length in bits above 16. Types are in kzstd_huffman.pxd."""

    def __init__(self) -> None:
        self.entries = array("I", [0]) * _SYMBOLS
        self.symbols = 0
        self.log = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def copy(self, other: HuffmanCode) -> cython.void:
        """Become the same code as `other`."""
        i: cython.int
        self.symbols = other.symbols
        self.log = other.log
        for i in range(_SYMBOLS):
            self.entries[i] = other.entries[i]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def covers(self, counts: cython.p_uint, symbols: cython.int) -> cython.bint:
        """Return whether all symbols that are counted have a word."""
        i: cython.int
        if self.symbols < symbols:
            return False
        missing: cython.bint = False
        for i in range(symbols):
            missing |= counts[i] != 0 and self.entries[i] == 0
        return not missing

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def size(self, counts: cython.p_uint, symbols: cython.int) -> cython.longlong:
        """Return how many bytes the words take."""
        bits: cython.longlong = 7
        i: cython.int
        for i in range(symbols):
            bits += (self.entries[i] >> 16) * counts[i]
        return bits >> 3

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def put(
        self, out: cython.p_uchar, at: cython.int, source: cython.p_uchar, begin: cython.int, end: cython.int
    ) -> cython.int:
        """Write source[begin:end] backwards to out[at:]; return where that ends. 8 bytes more may be overwritten."""
        entries: cython.p_uint = cython.address(self.entries[0]) if cython.compiled else self.entries
        bits: cython.int = 0
        word: cython.ulonglong = 0
        entry: cython.uint
        while end - begin >= 4:
            end -= 4
            entry = entries[source[end + 3]]
            word |= cython.cast(cython.ulonglong, entry & 0xFFFF) << bits
            bits += entry >> 16
            entry = entries[source[end + 2]]
            word |= cython.cast(cython.ulonglong, entry & 0xFFFF) << bits
            bits += entry >> 16
            entry = entries[source[end + 1]]
            word |= cython.cast(cython.ulonglong, entry & 0xFFFF) << bits
            bits += entry >> 16
            entry = entries[source[end]]
            word |= cython.cast(cython.ulonglong, entry & 0xFFFF) << bits
            bits += entry >> 16
            store64(out, at, word)
            at += bits >> 3
            word >>= bits & 0x38
            bits &= 7
        while end > begin:
            end -= 1
            entry = entries[source[end]]
            word |= cython.cast(cython.ulonglong, entry & 0xFFFF) << bits
            bits += entry >> 16
        word |= cython.cast(cython.ulonglong, 1) << bits
        store64(out, at, word)
        return at + (bits >> 3) + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def put_four(
        self, out: cython.p_uchar, at: cython.int, source: cython.p_uchar, begin: cython.int, end: cython.int
    ) -> cython.int:
        """Write source[begin:end] as four streams and their sizes; return where that ends."""
        sizes: cython.int = at
        part: cython.int = (end - begin + 3) // 4
        size: cython.int
        i: cython.int
        at += 6
        for i in range(4):
            size = at
            at = self.put(out, at, source, begin, min(begin + part, end))
            begin += part
            size = at - size
            if i < 3:
                out[sizes + 2 * i] = size & 0xFF
                out[sizes + 2 * i + 1] = size >> 8
        return at


@cython.cclass
class HuffmanMaker:
    """Makes codes and writes them.

    The nodes of a tree are counted from 1: first the symbols, then what joins two nodes; node 0 is a barrier.
    """

    def __init__(self) -> None:
        self._counts = array("I", [0]) * (_NODES + 1)
        self._parents = array("i", [0]) * (_NODES + 1)
        self._symbols = bytearray(_NODES + 1)
        self._bits = array("i", [0]) * (_NODES + 1)
        self._last = array("i", [0]) * (_MOST_BITS + 2)
        self._weights = bytearray(_SYMBOLS)
        self._fse = FseCode()

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def make(self, code: HuffmanCode, counts: cython.p_uint, symbols: cython.int, total: cython.int) -> cython.void:
        """Make a code for `total` symbols; at least two counts are not zero, counts[symbols - 1] among them."""
        log: cython.int = min(_MOST_BITS, bit_length(total - 1) - 2)
        log = max(log, min(bit_length(total), bit_length(symbols - 1) + 1), 5)
        log = min(log, _MOST_BITS)
        self._sort(counts, symbols)
        last: cython.int = symbols  # the rarest symbol's node
        while self._counts[last] == 0:
            last -= 1
        low: cython.int = last
        node: cython.int = symbols + 1
        first: cython.int = node
        root: cython.int = node + last - 2
        inner: cython.int = node
        n: cython.int
        left: cython.int
        right: cython.int
        self._counts[node] = self._counts[low] + self._counts[low - 1]
        self._parents[low] = node
        self._parents[low - 1] = node
        node += 1
        low -= 2
        for n in range(node, root + 1):
            self._counts[n] = 1 << 30
        self._counts[0] = cython.cast(cython.uint, 1) << 31
        while node <= root:
            if self._counts[low] < self._counts[inner]:
                left = low
                low -= 1
            else:
                left = inner
                inner += 1
            if self._counts[low] < self._counts[inner]:
                right = low
                low -= 1
            else:
                right = inner
                inner += 1
            self._counts[node] = self._counts[left] + self._counts[right]
            self._parents[left] = node
            self._parents[right] = node
            node += 1
        self._bits[root] = 0
        for n in range(root - 1, first - 1, -1):
            self._bits[n] = self._bits[self._parents[n]] + 1
        for n in range(1, last + 1):
            self._bits[n] = self._bits[self._parents[n]] + 1
        code.log = self._limit(last, log)
        code.symbols = symbols
        self._assign(code, last)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _sort(self, counts: cython.p_uint, symbols: cython.int) -> cython.void:
        """Make the first nodes the symbols, the most frequent first, equal ones in order."""
        i: cython.int
        node: cython.int
        for i in range(symbols):
            node = i + 1
            while node > 1 and counts[i] > self._counts[node - 1]:
                self._counts[node] = self._counts[node - 1]
                self._symbols[node] = self._symbols[node - 1]
                node -= 1
            self._counts[node] = counts[i]
            self._symbols[node] = i

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _limit(self, last: cython.int, most: cython.int) -> cython.int:
        """Make all words at most so many bits; return how many the longest has (`setMaxHeight`).

        `_last` holds, by how many bits shorter than `most` words are, the rarest of their symbols.
        """
        longest: cython.int = self._bits[last]
        if longest <= most:
            return longest
        debt: cython.int = 0
        n: cython.int = last
        while self._bits[n] > most:
            debt += (1 << (longest - most)) - (1 << (longest - self._bits[n]))
            self._bits[n] = most
            n -= 1
        while self._bits[n] == most:
            n -= 1
        debt >>= longest - most
        i: cython.int
        for i in range(_MOST_BITS + 2):
            self._last[i] = _NONE
        bits: cython.int = most
        for i in range(n, 0, -1):
            if self._bits[i] < bits:
                bits = self._bits[i]
                self._last[most - bits] = i
        less: cython.int
        node: cython.int
        while debt > 0:
            less = bit_length(debt)
            while less > 1:
                if self._last[less] != _NONE:
                    if self._last[less - 1] == _NONE:
                        break
                    if self._counts[self._last[less]] <= 2 * self._counts[self._last[less - 1]]:
                        break
                less -= 1
            while less <= _MOST_BITS and self._last[less] == _NONE:
                less += 1
            debt -= 1 << (less - 1)
            node = self._last[less]
            if self._last[less - 1] == _NONE:
                self._last[less - 1] = node
            self._bits[node] += 1
            if node == 1 or self._bits[node - 1] != most - less:
                self._last[less] = _NONE
            else:
                self._last[less] = node - 1
        while debt < 0:
            if self._last[1] == _NONE:
                while self._bits[n] == most:
                    n -= 1
                self._bits[n + 1] -= 1
                self._last[1] = n + 1
            else:
                self._bits[self._last[1] + 1] -= 1
                self._last[1] += 1
            debt += 1
        return most

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _assign(self, code: HuffmanCode, last: cython.int) -> cython.void:
        """Give words to symbols: by length, the longest first, then in order."""
        n: cython.int
        bits: cython.int
        word: cython.uint = 0
        for n in range(_SYMBOLS):
            code.entries[n] = 0
        for n in range(1, last + 1):
            code.entries[self._symbols[n]] = self._bits[n] << 16
        for bits in range(code.log, 0, -1):
            for n in range(code.symbols):
                if code.entries[n] >> 16 == cython.cast(cython.uint, bits):
                    code.entries[n] |= word
                    word += 1
            word >>= 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def put_table(self, code: HuffmanCode, out: cython.p_uchar, at: cython.int) -> cython.int:
        """Write the description of a code to out[at:]; return where it ends, or -1 if there is none."""
        count: cython.int = code.symbols - 1  # the last weight follows from the others
        end: cython.int
        bits: cython.int
        i: cython.int
        for i in range(count):
            bits = code.entries[i] >> 16
            self._weights[i] = code.log + 1 - bits if bits else 0
        if count >= 2:
            end = self._put_weights(self._fse, out, at + 1, count)
            if end >= 0 and end - at - 1 < code.symbols >> 1:
                out[at] = end - at - 1
                return end
        if count > _MOST_PLAIN_WEIGHTS:
            return -1
        out[at] = 127 + count
        at += 1
        self._weights[count] = 0
        for i in range(0, count, 2):
            out[at] = self._weights[i] << 4 | self._weights[i + 1]
            at += 1
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_weights(self, code: FseCode, out: cython.p_uchar, at: cython.int, count: cython.int) -> cython.int:
        """Write the weights as an FSE stream of two states (`fse.Compress`); return its end, -1 if it does not pay.

        The last weight, and then every other one, is of the one state.
        """
        begin: cython.int = at
        i: cython.int
        most: cython.uint = 0
        for i in range(16):
            code.counts[i] = 0
        for i in range(count):
            code.counts[self._weights[i]] += 1
        for i in range(16):
            if code.counts[i]:
                code.symbols = i + 1
                most = max(most, code.counts[i])
        if most == cython.cast(cython.uint, count) or most == 1 or count < 3:
            return -1
        log: cython.int = bit_length(count - 1) - 3
        if log < 0 or log > _WEIGHTS_LOG:
            log = _WEIGHTS_LOG
        log = max(log, min(bit_length(count - 1), bit_length(code.symbols - 1) + 1), 5)
        if not code.normalize(count, log):
            return -1
        at = code.put_shares(out, at)
        word: cython.ulonglong = 0
        bits: cython.int = 0
        first: cython.int = 0  # the states; 0 before their first symbol
        second: cython.int = 0
        state: cython.int
        symbol: cython.int
        wide: cython.int
        size: cython.uint
        for i in range(count - 1, -1, -1):
            symbol = self._weights[i]
            state = second if i & 1 else first
            if state == 0:
                size = (code.delta_bits[symbol] + (1 << 15)) >> 16
                state = ((size << 16) - code.delta_bits[symbol]) >> size
            else:
                wide = (state + code.delta_bits[symbol]) >> 16
                word |= cython.cast(cython.ulonglong, state & ((1 << wide) - 1)) << bits
                bits += wide
                state >>= wide
            state = code.states[state + code.delta_state[symbol]]
            if i & 1:
                second = state
            else:
                first = state
            while bits >= 8:
                out[at] = word & 0xFF
                at += 1
                word >>= 8
                bits -= 8
        word |= cython.cast(cython.ulonglong, second & ((1 << log) - 1)) << bits
        bits += log
        word |= cython.cast(cython.ulonglong, first & ((1 << log) - 1)) << bits
        bits += log
        word |= cython.cast(cython.ulonglong, 1) << bits
        bits += 1
        while bits > 0:
            out[at] = word & 0xFF
            at += 1
            word >>= 8
            bits -= 8
        return at if at - begin < count else -1
