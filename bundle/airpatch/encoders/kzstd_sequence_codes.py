# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: there are fewer than MAX_SYMBOLS symbols of each kind; callers have room for 12 bytes a sequence and
# three codes.
"""The sequences section of a block as klauspost/compress zstd writes it: which codes the numbers get, and their bits.

The decisions are those of `zstd/blockenc.go` from 1.14.2 on (Klaus Post, BSD), reimplemented here; what is written is
RFC 8878 3.1.1.3.2.
"""

from __future__ import annotations

import cython

from airpatch.encoders.kzstd_fse import fse_code
from airpatch.encoders.zstd_sequence_bits import MATCH_BITS, codes_of

if cython.compiled:
    from cython.cimports.airpatch.encoders.kzstd_fse import FseCode
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
    from cython.cimports.airpatch.encoders.zstd_sequence_bits import SequenceBits
else:
    from airpatch.encoders.kzstd_fse import FseCode
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import bit_length
    from airpatch.encoders.zstd_sequence_bits import SequenceBits

_DEFAULT = cython.declare(cython.int, 0)  # whence the code of a kind of numbers
_ONE_SYMBOL = cython.declare(cython.int, 1)
_NEW = cython.declare(cython.int, 2)
_REPEATED = cython.declare(cython.int, 3)

_MOST_LOG = cython.declare(cython.int, 8)

# RFC 8878 3.1.1.3.2.1.1 and 3.1.1.3.2.2
LENGTH_SHARES = (4, 3, *(2,) * 11, 1, 1, 1, *(2,) * 9, 3, 2, *(1,) * 5, *(-1,) * 4)
OFFSET_SHARES = (*(1,) * 6, 2, 2, 2, *(1,) * 15, *(-1,) * 5)
MATCH_SHARES = (1, 4, 3, *(2,) * 6, *(1,) * 37, *(-1,) * 7)


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
class SequenceWriter:
    """The sequences of the blocks of one frame. Types are in kzstd_sequence_codes.pxd."""

    def __init__(self) -> None:
        self._lengths = FseCode()
        self._lengths_before = FseCode()
        self._lengths_default = fse_code(LENGTH_SHARES, 6)
        self._offsets = FseCode()
        self._offsets_before = FseCode()
        self._offsets_default = fse_code(OFFSET_SHARES, 5)
        self._matches = FseCode()
        self._matches_before = FseCode()
        self._matches_default = fse_code(MATCH_SHARES, 6)
        self._bits = SequenceBits()
        self._modes = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def forget(self) -> cython.void:
        """Begin another frame: use no code once more."""
        self._lengths_before.symbols = 0
        self._offsets_before.symbols = 0
        self._matches_before.symbols = 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def keep(self) -> cython.void:
        """Keep the codes of the section that was put last for sections to come: its block was written."""
        self._keep(self._lengths, self._lengths_before, self._modes >> 6)
        self._keep(self._offsets, self._offsets_before, self._modes >> 4 & 3)
        self._keep(self._matches, self._matches_before, self._modes >> 2 & 3)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def put(self, found: Sequences, out: cython.p_uchar, at: cython.int) -> cython.int:
        """Write the section to out[at:]; return where it ends."""
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
        at = self._put_code(self._lengths, mode, out, at)
        mode = self._choose(self._offsets, self._offsets_before, self._offsets_default, count)
        self._modes |= mode << 4
        at = self._put_code(self._offsets, mode, out, at)
        mode = self._choose(self._matches, self._matches_before, self._matches_default, count)
        self._modes |= mode << 2
        at = self._put_code(self._matches, mode, out, at)
        out[modes] = self._modes
        return self._bits.put(found, self._lengths, self._offsets, self._matches, out, at)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_code(self, code: FseCode, mode: cython.int, out: cython.p_uchar, at: cython.int) -> cython.int:
        if mode == _NEW:
            return code.put_shares(out, at)
        if mode == _ONE_SYMBOL:
            out[at] = code.single
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
