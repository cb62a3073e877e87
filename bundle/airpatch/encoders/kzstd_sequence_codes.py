# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The sequences section of a block as klauspost/compress zstd writes it: which codes the numbers get, and their bits.

The decisions are those of `zstd/blockenc.go` from 1.14.2 on (Klaus Post, BSD), re-told here; what is written is
RFC 8878 3.1.1.3.2.
"""

from __future__ import annotations

import cython

from airpatch.encoders.kzstd_fse import fse_code
from airpatch.encoders.kzstd_sequences import MAX_SEQUENCES

if cython.compiled:
    from cython.cimports.airpatch.byte_access import store64
    from cython.cimports.airpatch.encoders.kzstd_fse import FseCode
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
else:
    from airpatch.byte_access import store64
    from airpatch.encoders.kzstd_fse import FseCode
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import bit_length

_DEFAULT = cython.declare(cython.int, 0)  # whence the code of a kind of numbers
_ONE_SYMBOL = cython.declare(cython.int, 1)
_NEW = cython.declare(cython.int, 2)
_REPEATED = cython.declare(cython.int, 3)

_MOST_LOG = cython.declare(cython.int, 8)

# RFC 8878 3.1.1.3.2.1.1 and 3.1.1.3.2.2
_LENGTH_BITS = bytes(16) + bytes((1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
_MATCH_BITS = bytes(32) + bytes((1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
LENGTH_SHARES = (4, 3, *(2,) * 11, 1, 1, 1, *(2,) * 9, 3, 2, *(1,) * 5, *(-1,) * 4)
OFFSET_SHARES = (*(1,) * 6, 2, 2, 2, *(1,) * 15, *(-1,) * 5)
MATCH_SHARES = (1, 4, 3, *(2,) * 6, *(1,) * 37, *(-1,) * 7)
_SMALL_LENGTH = cython.declare(cython.uint, 64)  # lengths below have their codes in a table
_SMALL_MATCH = cython.declare(cython.uint, 128)


def _codes(bits: bytes, small: int) -> bytes:
    """Return the codes of the numbers below `small`, given how many extra bits each code has."""
    codes = bytearray()
    for code, extra in enumerate(bits):
        codes += bytes((code,)) * (1 << extra)
    return bytes(codes[:small])


def offset_costs() -> bytes:
    """Return about how many bits the default code and the extra bits of each offset code take."""
    costs = bytes(least + code for code, least in enumerate(fse_code(OFFSET_SHARES, 5).least_bits()))
    return costs + bytes(32 - len(costs))


def match_costs() -> bytes:
    """Return about how many bits a match length takes, less 3: for those below 128, then by how many bits it has."""
    leasts = fse_code(MATCH_SHARES, 6).least_bits()
    costs = [least + bits for least, bits in zip(leasts, _MATCH_BITS, strict=True)]
    small = [costs[code] for code in _codes(_MATCH_BITS, 128)]
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
        self._length_codes = bytearray(MAX_SEQUENCES)
        self._match_codes = bytearray(MAX_SEQUENCES)
        self._length_of = bytearray(_codes(_LENGTH_BITS, _SMALL_LENGTH))
        self._match_of = bytearray(_codes(_MATCH_BITS, _SMALL_MATCH))
        self._length_bits = bytearray(_LENGTH_BITS)
        self._match_bits = bytearray(_MATCH_BITS)
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
        self._count_codes(found)
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
        return self._put_bits(found, out, at)

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

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _count_codes(self, found: Sequences) -> cython.void:
        """Turn numbers into codes, and count these."""
        lengths: cython.p_uint = cython.address(self._lengths.counts[0]) if cython.compiled else self._lengths.counts
        offsets: cython.p_uint = cython.address(self._offsets.counts[0]) if cython.compiled else self._offsets.counts
        matches: cython.p_uint = cython.address(self._matches.counts[0]) if cython.compiled else self._matches.counts
        number: cython.uint
        code: cython.uchar
        i: cython.int
        for i in range(64):
            lengths[i] = 0
            offsets[i] = 0
            matches[i] = 0
        for i in range(found.count):
            number = found.literal_lengths[i]
            code = self._length_of[number] if number < _SMALL_LENGTH else bit_length(number) + 18
            self._length_codes[i] = code
            lengths[code] += 1
            number = found.match_lengths[i]
            code = self._match_of[number] if number < _SMALL_MATCH else bit_length(number) + 35
            self._match_codes[i] = code
            matches[code] += 1
            offsets[bit_length(found.offsets[i]) - 1] += 1
        for i in range(64):
            if lengths[i]:
                self._lengths.symbols = i + 1
            if offsets[i]:
                self._offsets.symbols = i + 1
            if matches[i]:
                self._matches.symbols = i + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_bits(self, found: Sequences, out: cython.p_uchar, at: cython.int) -> cython.int:
        """Write the bits of the sequences, the last one first, to out[at:]; return where they end."""
        states_l: cython.p_ushort = cython.address(self._lengths.states[0]) if cython.compiled else self._lengths.states
        states_o: cython.p_ushort = cython.address(self._offsets.states[0]) if cython.compiled else self._offsets.states
        states_m: cython.p_ushort = cython.address(self._matches.states[0]) if cython.compiled else self._matches.states
        bits_l: cython.p_uint = (
            cython.address(self._lengths.delta_bits[0]) if cython.compiled else self._lengths.delta_bits
        )
        bits_o: cython.p_uint = (
            cython.address(self._offsets.delta_bits[0]) if cython.compiled else self._offsets.delta_bits
        )
        bits_m: cython.p_uint = (
            cython.address(self._matches.delta_bits[0]) if cython.compiled else self._matches.delta_bits
        )
        steps_l: cython.p_int = (
            cython.address(self._lengths.delta_state[0]) if cython.compiled else self._lengths.delta_state
        )
        steps_o: cython.p_int = (
            cython.address(self._offsets.delta_state[0]) if cython.compiled else self._offsets.delta_state
        )
        steps_m: cython.p_int = (
            cython.address(self._matches.delta_state[0]) if cython.compiled else self._matches.delta_state
        )
        word: cython.ulonglong = 0
        bits: cython.int = 0
        n: cython.int = found.count - 1
        length: cython.int = self._length_codes[n]
        match: cython.int = self._match_codes[n]
        offset: cython.int = bit_length(found.offsets[n]) - 1
        state_l: cython.uint = _first_state(bits_l, steps_l, states_l, length, self._lengths.log)
        state_o: cython.uint = _first_state(bits_o, steps_o, states_o, offset, self._offsets.log)
        state_m: cython.uint = _first_state(bits_m, steps_m, states_m, match, self._matches.log)
        wide: cython.uint
        while True:
            wide = self._length_bits[length]
            word |= cython.cast(cython.ulonglong, found.literal_lengths[n] & ((1 << wide) - 1)) << bits
            bits += wide
            wide = self._match_bits[match]
            word |= cython.cast(cython.ulonglong, found.match_lengths[n] & ((1 << wide) - 1)) << bits
            bits += wide
            if bits > 32:
                store64(out, at, word)
                at += bits >> 3
                word >>= bits & 0x38
                bits &= 7
            word |= cython.cast(cython.ulonglong, found.offsets[n] & ((1 << offset) - 1)) << bits
            bits += offset
            store64(out, at, word)
            at += bits >> 3
            word >>= bits & 0x38
            bits &= 7
            n -= 1
            if n < 0:
                break
            length = self._length_codes[n]
            match = self._match_codes[n]
            offset = bit_length(found.offsets[n]) - 1
            wide = (state_o + bits_o[offset]) >> 16
            word |= cython.cast(cython.ulonglong, state_o & ((1 << wide) - 1)) << bits
            bits += wide
            state_o = states_o[(state_o >> wide) + steps_o[offset]]
            wide = (state_m + bits_m[match]) >> 16
            word |= cython.cast(cython.ulonglong, state_m & ((1 << wide) - 1)) << bits
            bits += wide
            state_m = states_m[(state_m >> wide) + steps_m[match]]
            wide = (state_l + bits_l[length]) >> 16
            word |= cython.cast(cython.ulonglong, state_l & ((1 << wide) - 1)) << bits
            bits += wide
            state_l = states_l[(state_l >> wide) + steps_l[length]]
        word |= cython.cast(cython.ulonglong, state_m & ((1 << self._matches.log) - 1)) << bits
        bits += self._matches.log
        word |= cython.cast(cython.ulonglong, state_o & ((1 << self._offsets.log) - 1)) << bits
        bits += self._offsets.log
        word |= cython.cast(cython.ulonglong, state_l & ((1 << self._lengths.log) - 1)) << bits
        bits += self._lengths.log
        word |= cython.cast(cython.ulonglong, 1) << bits
        store64(out, at, word)
        return at + (bits >> 3) + 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _first_state(
    delta_bits: cython.p_uint,
    delta_state: cython.p_int,
    states: cython.p_ushort,
    symbol: cython.int,
    log: cython.int,
) -> cython.uint:
    """Return the state in which a stream ends with `symbol`."""
    if log == 0:
        return 0
    wide: cython.uint = (delta_bits[symbol] + (1 << 15)) >> 16
    return states[(((wide << 16) - delta_bits[symbol]) >> wide) + delta_state[symbol]]
