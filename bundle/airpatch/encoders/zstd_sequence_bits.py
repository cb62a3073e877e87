# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: there are at most MAX_SEQUENCES sequences of a block's bytes, so symbols are below 64; a code has all
# symbols that it writes, as callers make sure, and then states stay below 2**log; callers have room for 12 bytes a
# sequence.
"""Sequences as bits (RFC 8878 3.1.1.3.2): the symbols of their numbers, and the stream that codes for these make."""

from __future__ import annotations

from functools import cache

import cython

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

LENGTH_BITS = bytes(16) + bytes((1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
MATCH_BITS = bytes(32) + bytes((1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
_SMALL_LENGTH = cython.declare(cython.uint, 64)  # lengths below have their symbols in a table
_SMALL_MATCH = cython.declare(cython.uint, 128)


@cache
def codes_of(bits: bytes, small: int) -> bytes:
    """Return the codes of the numbers below `small`, given how many extra bits each code has."""
    codes = bytearray()
    for code, extra in enumerate(bits):
        codes += bytes((code,)) * (1 << extra)
    return bytes(codes[:small])


@cython.cclass
class SequenceBits:
    """Writes the sequences of one block after the other. Types are in zstd_sequence_bits.pxd."""

    def __init__(self) -> None:
        self.length_symbols = bytearray(MAX_SEQUENCES)
        self.match_symbols = bytearray(MAX_SEQUENCES)
        self._length_of = bytearray(codes_of(LENGTH_BITS, _SMALL_LENGTH))
        self._match_of = bytearray(codes_of(MATCH_BITS, _SMALL_MATCH))
        self._length_bits = bytearray(LENGTH_BITS)
        self._match_bits = bytearray(MATCH_BITS)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def count(self, found: Sequences, length_code: FseCode, offset_code: FseCode, match_code: FseCode) -> cython.void:
        """Turn numbers into symbols, and count these for the codes that are to be made."""
        lengths: cython.p_uint = cython.address(length_code.counts[0]) if cython.compiled else length_code.counts
        offsets: cython.p_uint = cython.address(offset_code.counts[0]) if cython.compiled else offset_code.counts
        matches: cython.p_uint = cython.address(match_code.counts[0]) if cython.compiled else match_code.counts
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
            self.length_symbols[i] = code
            lengths[code] += 1
            number = found.match_lengths[i]
            code = self._match_of[number] if number < _SMALL_MATCH else bit_length(number) + 35
            self.match_symbols[i] = code
            matches[code] += 1
            offsets[bit_length(found.offsets[i]) - 1] += 1
        for i in range(64):
            if lengths[i]:
                length_code.symbols = i + 1
            if offsets[i]:
                offset_code.symbols = i + 1
            if matches[i]:
                match_code.symbols = i + 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def put(
        self,
        found: Sequences,
        length_code: FseCode,
        offset_code: FseCode,
        match_code: FseCode,
        out: cython.p_uchar,
        at: cython.int,
    ) -> cython.int:
        """Write the bits of the sequences counted, the last one first, to out[at:]; return where they end."""
        states_l: cython.p_ushort = cython.address(length_code.states[0]) if cython.compiled else length_code.states
        states_o: cython.p_ushort = cython.address(offset_code.states[0]) if cython.compiled else offset_code.states
        states_m: cython.p_ushort = cython.address(match_code.states[0]) if cython.compiled else match_code.states
        bits_l: cython.p_uint = cython.address(length_code.delta_bits[0]) if cython.compiled else length_code.delta_bits
        bits_o: cython.p_uint = cython.address(offset_code.delta_bits[0]) if cython.compiled else offset_code.delta_bits
        bits_m: cython.p_uint = cython.address(match_code.delta_bits[0]) if cython.compiled else match_code.delta_bits
        steps_l: cython.p_int = (
            cython.address(length_code.delta_state[0]) if cython.compiled else length_code.delta_state
        )
        steps_o: cython.p_int = (
            cython.address(offset_code.delta_state[0]) if cython.compiled else offset_code.delta_state
        )
        steps_m: cython.p_int = cython.address(match_code.delta_state[0]) if cython.compiled else match_code.delta_state
        word: cython.ulonglong = 0
        bits: cython.int = 0
        n: cython.int = found.count - 1
        length: cython.int = self.length_symbols[n]
        match: cython.int = self.match_symbols[n]
        offset: cython.int = bit_length(found.offsets[n]) - 1
        state_l: cython.uint = first_state(bits_l, steps_l, states_l, length, length_code.log)
        state_o: cython.uint = first_state(bits_o, steps_o, states_o, offset, offset_code.log)
        state_m: cython.uint = first_state(bits_m, steps_m, states_m, match, match_code.log)
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
            length = self.length_symbols[n]
            match = self.match_symbols[n]
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
            if bits > 31:  # of codes larger than those of klauspost/compress
                store64(out, at, word)
                at += bits >> 3
                word >>= bits & 0x38
                bits &= 7
        word |= cython.cast(cython.ulonglong, state_m & ((1 << match_code.log) - 1)) << bits
        bits += match_code.log
        word |= cython.cast(cython.ulonglong, state_o & ((1 << offset_code.log) - 1)) << bits
        bits += offset_code.log
        word |= cython.cast(cython.ulonglong, state_l & ((1 << length_code.log) - 1)) << bits
        bits += length_code.log
        word |= cython.cast(cython.ulonglong, 1) << bits
        store64(out, at, word)
        return at + (bits >> 3) + 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def first_state(
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
