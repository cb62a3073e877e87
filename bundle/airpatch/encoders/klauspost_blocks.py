"""Block writing of klauspost/compress flate: which kind of block, and when a Huffman code is used once more.

The decisions are those of `flate/huffman_bit_writer.go` from 1.14.0 on (Klaus Post and the Go authors, BSD),
reimplemented here. A dynamic block is left open, so that the tokens to come may go into it, as long as that costs
less than the estimate for a new code. Sizes are in bits.
"""

from __future__ import annotations

import math
import struct
from array import array

import cython

from airpatch.deflate.blocks import BlockWriter, body_bits, count_symbols
from airpatch.deflate.header import DynamicHeader, go_dynamic, go_header
from airpatch.deflate.huffman import go_lengths
from airpatch.deflate.tables import (
    DISTANCE_EXTRA,
    DISTANCES,
    END_OF_BLOCK,
    FIXED_DISTANCE_LENGTHS,
    FIXED_LITERAL_LENGTHS,
    LENGTH_EXTRA,
    LITERALS,
    MAX_BITS,
    MAX_STORED,
)
from airpatch.encoders.literals import literal_tokens

GUESSED_HEADER = 70 * 8
_NEVER = 1 << 62


class KlauspostWriter:
    """A deflate stream under construction.

    `penalty`: a new code is taken to cost a 2**penalty-th more than estimated. `trim`: from 1.18.2 the last
    symbols without a code are not sent; before, they were, unless the block was known to end. `few_tokens`: only with
    fewer is the fixed code considered.
    """

    def __init__(self, penalty: int, trim: bool, few_tokens: int = 250) -> None:
        self._writer = BlockWriter()
        self._penalty = penalty
        self._trim = trim
        self._few_tokens = few_tokens
        self._header_bits = 0  # of the open block; 0: no block is open
        self._literals_only = False  # the open block has no distance code
        self._literal_lengths = b""  # the code of the open block, or of the last one
        self._distance_lengths = b""

    def take(self) -> bytes:
        """Return the whole bytes written since the last call."""
        return self._writer.take()

    def sync(self) -> None:
        """End the open block and write an empty stored one: the output ends at a byte."""
        self.stored(b"")

    def finish(self) -> None:
        """End the stream, with an empty fixed block."""
        self._close()
        self._writer.fixed(array("I"), final=True)
        self._writer.pad()

    def stored(self, source: bytes) -> None:
        """Write a stored block."""
        self._close()
        self._writer.stored(source)

    def tokens(self, tokens: array[int], source: bytes | None, last: bool) -> None:
        """Write tokens (`writeBlockDynamic`).

        `source` is their uncompressed data, if at hand; `last` says that a flush follows.
        """
        literals, distances = count_symbols(tokens)
        count = len(tokens) + last
        stored = 8 * (len(source) + 5) if source is not None and len(source) <= MAX_STORED else _NEVER
        if self._header_bits and (self._literals_only or not self._covers(literals, distances)):
            self._close()
        if self._trim or last:
            if not any(distances):
                distances[0] = 1
        else:
            literals[END_OF_BLOCK] = 0

        if self._header_bits:
            new = self._header_bits + estimated_bits(literals, distances, count)
            new += self._literal_lengths[END_OF_BLOCK] + (new >> self._penalty)
            size = body_bits(literals, distances, self._literal_lengths, self._distance_lengths)
            if new < size:
                self._close()
                size = new
            if count < self._few_tokens and _fixed_bits(literals, distances) + 7 < size:
                self._fixed_or_stored(tokens, source, stored <= size)
                return
            if source is not None and stored <= size:
                self.stored(source)
                return

        if not self._header_bits:
            literals[END_OF_BLOCK] = 1
            header = go_dynamic(literals, distances) if self._trim or last else _whole_header(literals, distances)
            literal_lengths, distance_lengths = header.lengths()
            size = 3 + header.bits + body_bits(literals, distances, literal_lengths, distance_lengths)
            fixed = _fixed_bits(literals, distances)
            if count < self._few_tokens and fixed <= size:
                self._fixed_or_stored(tokens, source, stored <= fixed)
                return
            if source is not None and stored <= size:
                self.stored(source)
                return
            self._open(header, literals_only=False)
        self._writer.tokens(tokens)
        if last:
            self._close()

    def literals(self, source: bytes, last: bool) -> None:
        """Write uncompressed data without matches (`writeBlockHuff`)."""
        tokens = literal_tokens(source)
        counts = count_symbols(tokens)[0][: END_OF_BLOCK + 1]
        stored = 8 * (len(source) + 5)
        if self._looks_random(counts[:END_OF_BLOCK], len(source)):
            self.stored(source)
            return
        lengths = go_lengths(counts, MAX_BITS)
        new = sum(map(int.__mul__, counts, lengths)) + (self._header_bits or GUESSED_HEADER)
        new += new >> self._penalty
        if stored <= new:
            self.stored(source)
            return
        if self._header_bits and new < self._literal_bits(counts[:END_OF_BLOCK]):
            self._close()
        if not self._header_bits:
            self._open(go_header(lengths, b"\x01"), literals_only=True)
        self._writer.tokens(tokens)
        if last:
            self._close()

    def _looks_random(self, counts: array[int], size: int) -> bool:
        """Return whether `size` bytes are spread so evenly over all values that no code can help."""
        mean = size / 256
        most = float(2 * size)
        deviation = 0.0
        for count in counts:
            deviation += (count - mean) ** 2
            if deviation > most:
                return False
        return size > 1024 and deviation < most

    def _open(self, header: DynamicHeader, literals_only: bool) -> None:
        self._writer.begin_dynamic(header)
        self._header_bits = 3 + header.bits
        self._literals_only = literals_only
        literal_lengths, distance_lengths = header.lengths()
        self._literal_lengths = literal_lengths.ljust(LITERALS, b"\0")
        self._distance_lengths = distance_lengths.ljust(DISTANCES, b"\0")

    def _close(self) -> None:
        """End the open block, if any."""
        if self._header_bits:
            self._writer.end()
        self._header_bits = 0
        self._literals_only = False

    def _fixed_or_stored(self, tokens: array[int], source: bytes | None, store: bool) -> None:
        if source is not None and store:
            self.stored(source)
        else:
            self._close()
            self._writer.fixed(tokens)

    def _covers(self, literals: array[int], distances: array[int]) -> bool:
        """Return whether the last code has a code for each of the symbols."""
        lengths = self._literal_lengths + self._distance_lengths
        return all(length or not count for count, length in zip(literals + distances, lengths, strict=True))

    def _literal_bits(self, counts: array[int]) -> int:
        """Return the size of literals in the open block's code."""
        if any(count and not length for count, length in zip(counts, self._literal_lengths, strict=False)):
            return _NEVER
        return sum(map(int.__mul__, counts, self._literal_lengths))


def _fixed_bits(literals: array[int], distances: array[int]) -> int:
    return 3 + body_bits(literals, distances, FIXED_LITERAL_LENGTHS, FIXED_DISTANCE_LENGTHS)


def _whole_header(literals: array[int], distances: array[int]) -> DynamicHeader:
    """Return the header with all 286 + 30 code lengths."""
    return go_header(go_lengths(literals, MAX_BITS), go_lengths(distances, MAX_BITS), trim=False)


def estimated_bits(
    literals: array[int],
    distances: array[int],
    tokens: int,
    shortest: float = 1.0,
    longest: float = 15.0,
) -> int:
    """Return the size of a block under an ideal code with `shortest` to `longest` bits (`EstimatedBits`).

    The original computes in IEEE single precision, and so must we: each operation is done in double
    precision, where it is exact or innocent, and then rounded.
    """
    bits: cython.double = 0.0
    extra = 0
    matches = 0
    if tokens:
        bits = _single(_sum_bits(literals[:END_OF_BLOCK], tokens, bits, shortest, longest) + 15)
        lengths = literals[END_OF_BLOCK + 1 :]
        bits = _sum_bits(lengths, tokens, bits, shortest, longest)
        extra = sum(map(int.__mul__, lengths, LENGTH_EXTRA))
        matches = sum(lengths)
    if matches:
        bits = _sum_bits(distances, matches, bits, shortest, longest)
        extra += sum(map(int.__mul__, distances, DISTANCE_EXTRA))
    return int(bits) + extra


def shannon_bits(counts: array[int], size: int) -> int:
    """Return the size of symbols, `size` in all, under an ideal code (`histogramSize` before 1.12.3)."""
    return int(_single(_sum_bits(counts, size, 0.0, 1.0, math.inf) + _single(0.99)))


def filling_bits(unused: int, size: int) -> int:
    """Return what codes for unused symbols are taken to cost beside `size` others (`histogramSize` of 1.11.3)."""
    one: cython.double = max(_symbol_bits(1, _single(1.0 / size)), 1.0)
    filling: cython.double = 0.0
    for _ in range(unused):
        filling = _single(filling + one)
    return int(_single(filling + _single(0.99)))


@cython.cfunc
def _sum_bits(
    counts: cython.uint[::1],
    total: cython.int,
    bits: cython.double,
    shortest: cython.double,
    longest: cython.double,
) -> cython.double:
    """Add the ideal size of symbols to `bits`."""
    scale: cython.double = _single(1.0 / total)
    code: cython.double
    i: cython.Py_ssize_t
    for i in range(len(counts)):
        if counts[i]:
            code = min(max(_symbol_bits(counts[i], scale), shortest), longest)
            bits = _single(bits + _single(code * counts[i]))
    return bits


@cython.cfunc
def _symbol_bits(count: cython.int, scale: cython.double) -> cython.double:
    """Return -log2(count * scale) by the approximation of the original (`mFastLog2`)."""
    mantissa: cython.double = _single(count * scale)
    exponent: cython.int = 0
    while mantissa < 1:  # exact, as are all steps by powers of two
        mantissa *= 2
        exponent -= 1
    while mantissa >= 2:
        mantissa /= 2
        exponent += 1
    curve: cython.double = _single(_single(_SQUARE * mantissa) + _LINEAR)
    curve = _single(_single(curve * mantissa) - _CONSTANT)
    return -_single(exponent - 1 + curve)


@cython.cfunc
def _single(value: cython.double) -> cython.double:
    return cython.cast(cython.float, value) if cython.compiled else struct.unpack("f", struct.pack("f", value))[0]


_SQUARE = cython.declare(cython.double, _single(-0.34484843))
_LINEAR = cython.declare(cython.double, _single(2.02466578))
_CONSTANT = cython.declare(cython.double, _single(0.67487759))
