# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a block is at most MAX_BLOCK, and its literals (11 bits each) and sequences (12 bytes each, of 3 bytes at
# least) take less than the 8 * MAX_BLOCK of the buffer.
"""Blocks as klauspost/compress zstd writes them: which kind of block, and how literals are sent.

The decisions are those of `zstd/blockenc.go` from 1.14.2 on (Klaus Post, BSD), reimplemented here; what is written is
RFC 8878 3.1.1.2 and 3.1.1.3.1. Given the sequences, all of it follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

import cython

from airpatch.encoders.kzstd_sequences import MAX_BLOCK
from airpatch.zeroed_memory import lazy_zeros

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_literals import (
        INCOMPRESSIBLE,
        ONE_BYTE,
        LiteralWriter,
        put_header,
        put_plain_header,
    )
    from cython.cimports.airpatch.encoders.kzstd_sequence_codes import SequenceWriter
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
else:
    from airpatch.encoders.kzstd_literals import (
        INCOMPRESSIBLE,
        ONE_BYTE,
        LiteralWriter,
        put_header,
        put_plain_header,
    )
    from airpatch.encoders.kzstd_sequence_codes import SequenceWriter
    from airpatch.encoders.kzstd_sequences import Sequences

RAW = cython.declare(cython.int, 0)
RUN = cython.declare(cython.int, 1)
COMPRESSED = cython.declare(cython.int, 2)

_PLAIN = cython.declare(cython.int, 0)  # kinds of literals, beside RUN and COMPRESSED
_WITHOUT_CODE = cython.declare(cython.int, 3)

_HEADER = cython.declare(cython.int, 3)


@dataclass(frozen=True, slots=True)
class BlockRules:
    """What differs between versions, and what the level says.

    `margin`: a block must save 16 bytes and a 2**-margin-th. `fewest`: fewer literals are not coded. `compares`:
    coded literals are compared with plain ones. `runs`: there are blocks of one byte repeated. `codes_literals`:
    blocks without a match are coded, too, but if `keeps_full`, full ones are not.
    """

    margin: int = 6
    fewest: int = 17
    compares: bool = True
    runs: bool = True
    codes_literals: bool = False
    keeps_full: bool = False


@cython.cclass
class ZstdBlockWriter:
    """The blocks of one frame. Types are in kzstd_blocks.pxd."""

    def __init__(self, rules: BlockRules) -> None:
        self._literals = LiteralWriter(rules.fewest, rules.compares)
        self._sequences = SequenceWriter()
        self._buffer = lazy_zeros(8 * MAX_BLOCK)
        self._out = self._buffer
        self._margin = rules.margin
        self._runs = rules.runs
        self._codes_literals = rules.codes_literals
        self._keeps_full = rules.keeps_full

    def reset(self) -> None:
        """Begin another frame: forget all codes."""
        self._literals.forget()
        self._sequences.forget()

    def block(self, found: Sequences, window: bytearray | mmap, begin: int, end: int, last: bool, full: bool) -> bytes:
        """Return the block of window[begin:end], which has the sequences `found`.

        `full` says that it has as many bytes as a block may have.
        """
        source: cython.uchar[::1] = window
        first: cython.int = begin
        size: cython.int = end - begin
        is_full: cython.bint = full
        written: cython.int
        if not cython.compiled:
            written = self._put(found, memoryview(window)[begin:], size, is_full)
        else:
            with cython.nogil:
                written = self._put(found, cython.address(source[first]), size, is_full)
        if last:
            self._out[0] |= 1
        return bytes(memoryview(self._buffer)[:written])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put(self, found: Sequences, source: cython.p_uchar, size: cython.int, full: cython.bint) -> cython.int:
        at: cython.int
        if self._keeps_full and full and found.literal_count == size:
            return self._put_raw(source, size)
        if found.count == 0:
            return self._put_literals_alone(source, size)
        if (
            self._runs
            and found.count == 1
            and found.literal_count <= 1
            and found.literal_lengths[0] == cython.cast(cython.uint, found.literal_count)
            and found.offsets[0] == 4
        ):
            return self._put_run(source[0], size)
        if size - found.literal_count - (size >> self._margin) < 16:
            return self._put_literals_alone(source, size)
        at = self._put_literals(found, _HEADER)
        out: cython.p_uchar = cython.address(self._out[0]) if cython.compiled else self._out
        at = self._sequences.put(found, out, at)
        if at - _HEADER >= size:
            self._literals.forget()
            return self._put_raw(source, size)
        self._sequences.keep()
        self._put_block_header(COMPRESSED, at - _HEADER)
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_block_header(self, kind: cython.int, size: cython.int) -> cython.int:
        self._out[0] = (kind << 1 | size << 3) & 0xFF
        self._out[1] = size >> 5 & 0xFF
        self._out[2] = size >> 13
        return _HEADER

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_raw(self, source: cython.p_uchar, size: cython.int) -> cython.int:
        i: cython.int
        self._put_block_header(RAW, size)
        for i in range(size):
            self._out[_HEADER + i] = source[i]
        return _HEADER + size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_run(self, byte: cython.uchar, size: cython.int) -> cython.int:
        self._put_block_header(RUN, size)
        self._out[_HEADER] = byte
        return _HEADER + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_literals_alone(self, source: cython.p_uchar, size: cython.int) -> cython.int:
        """Write a block without sequences."""
        out: cython.p_uchar = cython.address(self._out[0]) if cython.compiled else self._out
        begin: cython.int = 2 * _HEADER + 5  # room for all headers
        at: cython.int
        end: cython.int
        i: cython.int
        if size < 32 or not self._codes_literals:
            return self._put_raw(source, size)
        end = self._literals.compress(out, begin, source, size, 0)
        if end == INCOMPRESSIBLE:
            return self._put_raw(source, size)
        if end == ONE_BYTE:
            return self._put_run(source[0], size)
        at = put_header(out, _HEADER, _WITHOUT_CODE if self._literals.reused else COMPRESSED, size, end - begin)
        for i in range(end - begin):
            out[at + i] = out[begin + i]
        at += end - begin
        out[at] = 0
        self._put_block_header(COMPRESSED, at + 1 - _HEADER)
        return at + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_literals(self, found: Sequences, at: cython.int) -> cython.int:
        """Write the literals section to _out[at:]; return where it ends."""
        out: cython.p_uchar = cython.address(self._out[0]) if cython.compiled else self._out
        source: cython.p_uchar = cython.address(found.literals[0]) if cython.compiled else found.literals
        size: cython.int = found.literal_count
        begin: cython.int = at + 5
        end: cython.int = self._literals.compress(out, begin, source, size, 1 if size < 16 else 2 if size < 2048 else 3)
        i: cython.int
        if end == INCOMPRESSIBLE:
            at = put_plain_header(out, at, _PLAIN, size)
            for i in range(size):
                out[at + i] = source[i]
            return at + size
        if end == ONE_BYTE:
            at = put_plain_header(out, at, RUN, size)
            out[at] = source[0]
            return at + 1
        at = put_header(out, at, _WITHOUT_CODE if self._literals.reused else COMPRESSED, size, end - begin)
        for i in range(end - begin):
            out[at + i] = out[begin + i]
        return at + end - begin
