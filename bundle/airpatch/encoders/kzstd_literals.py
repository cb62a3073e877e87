# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: bytes index 256 counts; callers have room for 11 bits a literal, a table and a header.
"""The literals section of a block, and when klauspost/compress uses a Huffman code once more.

The decisions are those of `huff0/compress.go` and `zstd/blockenc.go` (Klaus Post, BSD), reimplemented here; what is
written is RFC 8878 3.1.1.3.1.
"""

from __future__ import annotations

from array import array

import cython

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_huffman import HuffmanCode, HuffmanMaker
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
else:
    from airpatch.encoders.kzstd_huffman import HuffmanCode, HuffmanMaker
    from airpatch.encoders.kzstd_words import bit_length

    INCOMPRESSIBLE = -1
    ONE_BYTE = -2

_FOUR_STREAMS = cython.declare(cython.int, 1024)  # fewer literals are one stream


@cython.cclass
class LiteralWriter:
    """Codes the literals of one block after the other.

    `fewest`: with fewer literals there is no code. `compares`: from 1.17.0 on, coded literals with their header are
    compared with plain ones. Types are in kzstd_literals.pxd.
    """

    def __init__(self, fewest: int, compares: bool) -> None:
        self._maker = HuffmanMaker()
        self._current = HuffmanCode()
        self._previous = HuffmanCode()
        self._counts = array("I", [0]) * 256
        self._fewest = fewest
        self._compares = compares
        self._reuses = False
        self.reused = False

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def forget(self) -> cython.void:
        """Do not use the last code once more."""
        self._reuses = False

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def compress(
        self,
        out: cython.p_uchar,
        at: cython.int,
        source: cython.p_uchar,
        size: cython.int,
        plain_header: cython.int,
    ) -> cython.int:
        """Write the coded literals to out[at:]; return where they end, or INCOMPRESSIBLE, or ONE_BYTE.

        `reused` says then whether there is no new code among them. `plain_header` is what plain literals take besides.
        """
        end: cython.int
        if size < self._fewest:
            return INCOMPRESSIBLE
        end = self._code(out, at, source, size)
        if end < 0:
            return end
        if self._compares and end - at + header_size(size, end - at) >= size + plain_header:
            return INCOMPRESSIBLE  # the code stays where the next block looks for one, though nobody has seen it
        self._reuses = True
        return end

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _code(self, out: cython.p_uchar, at: cython.int, source: cython.p_uchar, size: cython.int) -> cython.int:
        counts: cython.p_uint = cython.address(self._counts[0]) if cython.compiled else self._counts
        most: cython.uint = 0
        symbols: cython.int = 0
        limit: cython.int = size - (size >> 4)
        begin: cython.int = at
        i: cython.int
        if not self._reuses:
            self._previous.symbols = 0
        for i in range(256):
            counts[i] = 0
        for i in range(size):
            counts[source[i]] += 1
        for i in range(256):
            if counts[i]:
                symbols = i + 1
                most = max(most, counts[i])
        if most >= cython.cast(cython.uint, size):
            return ONE_BYTE
        if most == 1 or most < cython.cast(cython.uint, size >> 7):
            return INCOMPRESSIBLE
        self._maker.make(self._current, counts, symbols, size)
        self.reused = (
            self._reuses
            and self._previous.covers(counts, symbols)
            and (self._previous.size(counts, symbols) <= self._current.size(counts, symbols) or limit <= 12)
        )
        if self.reused:
            at = self._stream(self._previous, out, at, source, size)
            return at if at - begin < limit else INCOMPRESSIBLE
        at = self._maker.put_table(self._current, out, at)
        if at < 0:
            return INCOMPRESSIBLE
        at = self._stream(self._current, out, at, source, size)
        if at - begin >= limit:
            return INCOMPRESSIBLE
        self._previous.copy(self._current)
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _stream(
        self, code: HuffmanCode, out: cython.p_uchar, at: cython.int, source: cython.p_uchar, size: cython.int
    ) -> cython.int:
        if size >= _FOUR_STREAMS:
            return code.put_four(out, at, source, 0, size)
        return code.put(out, at, source, 0, size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def header_size(size: cython.int, compressed: cython.int) -> cython.int:
    """Return how many bytes the header of coded literals takes."""
    bits: cython.int = bit_length(max(size, compressed))
    return 3 if bits <= 10 else 4 if bits <= 14 else 5


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_plain_header(out: cython.p_uchar, at: cython.int, kind: cython.int, size: cython.int) -> cython.int:
    """Write the header of plain literals, or of a single one repeated, to out[at:]; return where it ends."""
    if size < 1 << 4:
        out[at] = kind | size << 3
        return at + 1
    if size < 1 << 11:
        out[at] = (kind | 1 << 2 | size << 4) & 0xFF
        out[at + 1] = size >> 4
        return at + 2
    out[at] = (kind | 3 << 2 | size << 4) & 0xFF
    out[at + 1] = size >> 4 & 0xFF
    out[at + 2] = size >> 12
    return at + 3


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_header(
    out: cython.p_uchar, at: cython.int, kind: cython.int, size: cython.int, compressed: cython.int
) -> cython.int:
    """Write the header of coded literals to out[at:]; return where it ends."""
    length: cython.int = header_size(size, compressed)
    width: cython.int = 4 * length - 2 if length < 5 else 18
    form: cython.int = length - 2 if length > 3 else 0
    word: cython.ulonglong = kind | form << 2
    word |= cython.cast(cython.ulonglong, size) << 4
    word |= cython.cast(cython.ulonglong, compressed) << (4 + width)
    i: cython.int
    for i in range(length):
        out[at + i] = word & 0xFF
        word >>= 8
    return at + length
