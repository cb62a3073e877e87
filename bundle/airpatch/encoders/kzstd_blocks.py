# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Blocks as klauspost/compress zstd writes them: which kind of block, and which codes sequences get.

The decisions are those of `zstd/blockenc.go` from 1.14.2 on (Klaus Post, BSD), re-told here; what is written is
RFC 8878 3.1.1.2 and 3.1.1.3. Given the sequences, all of it follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap

import cython

from airpatch.encoders.kzstd_fse import fse_code
from airpatch.encoders.kzstd_sequences import MAX_BLOCK
from airpatch.encoders.zstd_sequence_bits import MATCH_BITS, codes_of

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_fse import FseCode
    from cython.cimports.airpatch.encoders.kzstd_literals import (
        INCOMPRESSIBLE,
        ONE_BYTE,
        LiteralWriter,
        put_header,
        put_plain_header,
    )
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
    from cython.cimports.airpatch.encoders.zstd_sequence_bits import SequenceBits
else:
    from airpatch.encoders.kzstd_fse import FseCode
    from airpatch.encoders.kzstd_literals import (
        INCOMPRESSIBLE,
        ONE_BYTE,
        LiteralWriter,
        put_header,
        put_plain_header,
    )
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import bit_length
    from airpatch.encoders.zstd_sequence_bits import SequenceBits

RAW = cython.declare(cython.int, 0)
RUN = cython.declare(cython.int, 1)
COMPRESSED = cython.declare(cython.int, 2)

_PLAIN = cython.declare(cython.int, 0)  # kinds of literals, beside RUN and COMPRESSED
_WITHOUT_CODE = cython.declare(cython.int, 3)

_DEFAULT = cython.declare(cython.int, 0)  # whence the code of a kind of numbers
_ONE_SYMBOL = cython.declare(cython.int, 1)
_NEW = cython.declare(cython.int, 2)
_REPEATED = cython.declare(cython.int, 3)

_HEADER = cython.declare(cython.int, 3)
_MOST_LOG = cython.declare(cython.int, 8)

# RFC 8878 3.1.1.3.2.1.1 and 3.1.1.3.2.2
LENGTH_SHARES = (4, 3, *(2,) * 11, 1, 1, 1, *(2,) * 9, 3, 2, *(1,) * 5, *(-1,) * 4)
OFFSET_SHARES = (*(1,) * 6, 2, 2, 2, *(1,) * 15, *(-1,) * 5)
MATCH_SHARES = (1, 4, 3, *(2,) * 6, *(1,) * 37, *(-1,) * 7)


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


def offset_costs() -> bytes:
    """Return about how many bits the default code and the extra bits of each offset code take."""
    costs = bytes(least + code for code, least in enumerate(fse_code(OFFSET_SHARES, 5).least_bits()))
    return costs + bytes(32 - len(costs))


def match_costs() -> bytes:
    """Return about how many bits a match length takes, less 3: for those below 128, then by how many bits it has."""
    leasts = fse_code(MATCH_SHARES, 6).least_bits()
    costs = [least + bits for least, bits in zip(leasts, MATCH_BITS, strict=True)]
    small = [costs[code] for code in codes_of(MATCH_BITS, 128)]
    return bytes(small + [0] * 8 + [costs[bits + 35] for bits in range(8, 18)])


@cython.cclass
class BlockWriter:
    """The blocks of one frame. Types are in kzstd_blocks.pxd."""

    def __init__(self, rules: BlockRules) -> None:
        self._literals = LiteralWriter(rules.fewest, rules.compares)
        self._lengths = FseCode()
        self._lengths_before = FseCode()
        self._lengths_default = fse_code(LENGTH_SHARES, 6)
        self._offsets = FseCode()
        self._offsets_before = FseCode()
        self._offsets_default = fse_code(OFFSET_SHARES, 5)
        self._matches = FseCode()
        self._matches_before = FseCode()
        self._matches_default = fse_code(MATCH_SHARES, 6)
        self._buffer = bytearray(8 * MAX_BLOCK)
        self._out = self._buffer
        self._bits = SequenceBits()
        self._margin = rules.margin
        self._runs = rules.runs
        self._codes_literals = rules.codes_literals
        self._keeps_full = rules.keeps_full
        self._modes = 0

    def reset(self) -> None:
        """Begin another frame: forget all codes."""
        self._literals.forget()
        self._lengths_before.symbols = 0
        self._offsets_before.symbols = 0
        self._matches_before.symbols = 0

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
        at = self._put_sequences(found, at)
        if at - _HEADER >= size:
            self._literals.forget()
            return self._put_raw(source, size)
        self._keep(self._lengths, self._lengths_before, self._modes >> 6)
        self._keep(self._offsets, self._offsets_before, self._modes >> 4 & 3)
        self._keep(self._matches, self._matches_before, self._modes >> 2 & 3)
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

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_sequences(self, found: Sequences, at: cython.int) -> cython.int:
        """Write the sequences section to _out[at:]; return where it ends."""
        out: cython.p_uchar = cython.address(self._out[0]) if cython.compiled else self._out
        count: cython.int = found.count
        mode: cython.int
        if count < 128:
            out[at] = count
            at += 1
        elif count < 0x7F00:
            out[at] = 128 + (count >> 8)
            out[at + 1] = count & 0xFF
            at += 2
        else:
            out[at] = 255
            out[at + 1] = (count - 0x7F00) & 0xFF
            out[at + 2] = (count - 0x7F00) >> 8
            at += 3
        self._bits.count(found, self._lengths, self._offsets, self._matches)
        self._modes = 0
        modes: cython.int = at
        at += 1
        mode = self._choose(self._lengths, self._lengths_before, self._lengths_default, count)
        self._modes |= mode << 6
        at = self._put_code(self._lengths, mode, at)
        mode = self._choose(self._offsets, self._offsets_before, self._offsets_default, count)
        self._modes |= mode << 4
        at = self._put_code(self._offsets, mode, at)
        mode = self._choose(self._matches, self._matches_before, self._matches_default, count)
        self._modes |= mode << 2
        at = self._put_code(self._matches, mode, at)
        out[modes] = self._modes
        return self._bits.put(found, self._lengths, self._offsets, self._matches, out, at)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_code(self, code: FseCode, mode: cython.int, at: cython.int) -> cython.int:
        if mode == _NEW:
            return code.put_shares(cython.address(self._out[0]) if cython.compiled else self._out, at)
        if mode == _ONE_SYMBOL:
            self._out[at] = code.single
            return at + 1
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _choose(self, code: FseCode, before: FseCode, default: FseCode, total: cython.int) -> cython.int:
        """Make `code` what its counts, of `total` numbers, are coded with; return whence it is."""
        counts: cython.p_uint = cython.address(code.counts[0]) if cython.compiled else code.counts
        symbols: cython.int = code.symbols
        most: cython.uint = 0
        i: cython.int
        for i in range(symbols):
            most = max(most, counts[i])
        if most == cython.cast(cython.uint, total):
            code.set_single(symbols - 1)
            return _ONE_SYMBOL
        log: cython.int = bit_length(total - 1) - 3
        if log < 0 or log > _MOST_LOG:
            log = _MOST_LOG
        log = min(max(log, min(bit_length(total), bit_length(symbols - 1) + 1), 5), _MOST_LOG)
        code.normalize(total, log)
        new: cython.uint = code.cost(counts, symbols) + (((symbols * log) >> 3) + 3) * 8
        new += (new + 256) >> 4
        usual: cython.uint = default.cost(counts, symbols)
        again: cython.uint = before.cost(counts, symbols)
        if usual <= again and usual <= new:
            code.copy(default)
            return _DEFAULT
        if again <= new:
            code.copy(before)
            return _REPEATED
        return _NEW

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _keep(self, code: FseCode, before: FseCode, mode: cython.int) -> cython.void:
        """Keep a code for blocks to come."""
        if mode == _DEFAULT:
            before.symbols = 0
        elif mode != _REPEATED:
            before.copy(code)
