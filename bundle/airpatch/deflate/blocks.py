# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: codes have as many entries as lengths; a token is refused above 26 bits or a distance above the window,
# and `_LENGTH_FIELDS` and `DISTANCE_SYMBOL` cover the rest; `_room` precedes whatever is written.
"""Deflate blocks from tokens: bits, stored, fixed and dynamic blocks, written to the letter (RFC 1951 3.2).

`BlockWriter` collects bytes until `take` fetches them; a byte that is not full yet stays behind. Blocks are
written whole (`stored`, `fixed`, `dynamic`) or in pieces (`begin_fixed` or `begin_dynamic`, `tokens`...,
`end`). `count_symbols` and `body_bits` tell what a block would cost.
"""

from __future__ import annotations

from array import array

import cython

from airpatch.deflate.header import RUN_EXTRA, RUN_EXTRA_BITS, RUN_SYMBOL, DynamicHeader
from airpatch.deflate.huffman import canonical_codes
from airpatch.deflate.tables import (
    CODE_LENGTH_ORDER,
    DISTANCE_BASE,
    DISTANCE_EXTRA,
    DISTANCE_SYMBOL,
    DISTANCES,
    DYNAMIC,
    END_OF_BLOCK,
    FIXED,
    FIXED_DISTANCE_LENGTHS,
    FIXED_LITERAL_LENGTHS,
    LENGTH_BASE,
    LENGTH_EXTRA,
    LENGTH_SYMBOL,
    LITERALS,
    MAX_MATCH,
    MAX_STORED,
    STORED,
    WINDOW,
)
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.byte_access import store64
else:
    from airpatch.byte_access import store64

_LENGTH_SYMBOL = cython.declare(cython.const[cython.uchar][::1], LENGTH_SYMBOL)
_LENGTH_BASE = cython.declare(cython.ushort[::1], LENGTH_BASE)
_LENGTH_EXTRA = cython.declare(cython.const[cython.uchar][::1], LENGTH_EXTRA)
_CODE_LENGTH_ORDER = cython.declare(cython.const[cython.uchar][::1], CODE_LENGTH_ORDER)
_RUN_SYMBOL = cython.declare(cython.const[cython.uchar][::1], RUN_SYMBOL)
_RUN_EXTRA = cython.declare(cython.const[cython.uchar][::1], RUN_EXTRA)
_RUN_EXTRA_BITS = cython.declare(cython.const[cython.uchar][::1], RUN_EXTRA_BITS)
_DISTANCE_SYMBOL = cython.declare(cython.const[cython.uchar][::1], DISTANCE_SYMBOL)
_DISTANCE_BASE = cython.declare(cython.ushort[::1], DISTANCE_BASE)
_DISTANCE_EXTRA = cython.declare(cython.const[cython.uchar][::1], DISTANCE_EXTRA)

# A token's length field as an index: lengths 3..258, and 512 + 258 for the long spelling; all others have no
# code.
_LENGTH_FIELDS = 1024
_LONG_FIELD = 512 + MAX_MATCH
# Most bits of a token: length code 15, its extra 5, distance code 15, its extra 13. Words are written whole.
_TOKEN_BYTES = 6

# Entries of the tables below: `bits << 27 | value`, ready to be sent; 0 where there is no code.
_WIDTH = cython.declare(cython.uint, 27)
_ALL_BITS = cython.declare(cython.uint, 0xFFFFFFFF)
_VALUE = cython.declare(cython.uint, (1 << 27) - 1)


@cython.cclass
class BlockWriter:
    """A deflate bit stream under construction.

    Every method raises FormatError rather than write a block that cannot be read.
    """

    _out: bytearray
    _view: cython.uchar[::1]
    _size: cython.Py_ssize_t
    _acc: cython.ulonglong
    _fill: cython.uint
    _literals: cython.uint[::1]
    _lengths: cython.uint[::1]
    _distances: cython.uint[::1]

    def __init__(self) -> None:
        self._out = bytearray(1 << 16)
        self._view = memoryview(self._out)
        self._size = 0  # whole bytes in _out
        self._acc = 0
        self._fill = 0  # bits in _acc, fewer than 8 between calls
        self._literals = array("I", bytes(4 * 257))
        self._lengths = array("I", bytes(4 * _LENGTH_FIELDS))
        self._distances = array("I", bytes(4 * DISTANCES))

    # -- bits and bytes

    def bits(self, value: int, width: int) -> None:
        """Append the low `width` bits of `value`, width at most 32, lowest bit first."""
        self._room(8)
        self._bits(value, width)

    def pad(self, padding: int = 0) -> None:
        """Fill the last byte up with the bits of `padding`. Raises FormatError if they are more than have room."""
        if padding >> (-self._fill & 7):
            raise FormatError("padding of a deflate stream that does not fit")
        self._room(8)
        self._bits(padding, -self._fill & 7)

    def raw(self, data: bytes) -> None:
        """Append whole bytes. Raises ValueError inside of a byte."""
        if self._fill:
            raise ValueError("bytes in the middle of a byte")
        self._room(len(data))
        memoryview(self._out)[self._size : self._size + len(data)] = data
        self._size += len(data)

    @property
    def pending(self) -> int:
        """Number of bits in the last byte, 0..7, that `take` leaves behind."""
        return self._fill

    def take(self) -> bytes:
        """Return all whole bytes written since the last call."""
        data = bytes(memoryview(self._out)[: self._size])
        self._size = 0
        return data

    # -- blocks

    def stored(self, data: bytes, final: bool = False, padding: int = 0) -> None:
        """Write a stored block; `padding` fills the byte before its length. Raises ValueError above 65535 bytes."""
        if len(data) > MAX_STORED:
            raise ValueError("a stored block over 65535 bytes")
        self.bits(final | STORED << 1, 3)
        self.pad(padding)
        self.bits(len(data) | (len(data) ^ MAX_STORED) << 16, 32)
        self.raw(data)

    def fixed(self, tokens: array[int], final: bool = False) -> None:
        """Write a block with the fixed code."""
        self.begin_fixed(final)
        self.tokens(tokens)
        self.end()

    def dynamic(self, tokens: array[int], header: DynamicHeader, final: bool = False) -> None:
        """Write a block with the code of `header`."""
        self.begin_dynamic(header, final)
        self.tokens(tokens)
        self.end()

    def begin_fixed(self, final: bool = False) -> None:
        """Open a block with the fixed code."""
        self.bits(final | FIXED << 1, 3)
        self._use(FIXED_LITERAL_LENGTHS, FIXED_DISTANCE_LENGTHS)

    def begin_dynamic(self, header: DynamicHeader, final: bool = False) -> None:
        """Open a block with the code of `header`, which is sent."""
        literal_lengths, distance_lengths = header.lengths()
        self._use(literal_lengths, distance_lengths)
        run_lengths: bytes = header.run_lengths
        runs: bytes = header.runs
        codes: cython.uint[::1] = canonical_codes(run_lengths)
        symbol: cython.uint
        run: cython.uint
        i: cython.Py_ssize_t
        # Three bits for each of 19 lengths at most, 7 + 7 for each run.
        self._room(16 + 2 * len(runs))
        self._bits(final | DYNAMIC << 1, 3)
        self._bits(header.literal_count - 257, 5)
        self._bits(header.distance_count - 1, 5)
        self._bits(header.run_length_count - 4, 4)
        for i in range(header.run_length_count):
            self._bits(run_lengths[_CODE_LENGTH_ORDER[i]], 3)
        for i in range(len(runs)):
            run = runs[i]
            symbol = _RUN_SYMBOL[run]
            if not run_lengths[symbol]:
                raise FormatError("run of code lengths without a code")
            self._bits(codes[symbol], run_lengths[symbol])
            self._bits(_RUN_EXTRA[run], _RUN_EXTRA_BITS[run])

    def tokens(self, tokens: array[int]) -> None:
        """Write tokens (typecode "I", or a view of one) into the open block."""
        self._room(_TOKEN_BYTES * len(tokens) + 16)
        if not self._tokens(tokens):
            raise FormatError("token without a code")

    def end(self) -> None:
        """Close the open block: end of block."""
        if not self._literals[END_OF_BLOCK]:
            raise FormatError("end of block without a code")
        self.bits(self._literals[END_OF_BLOCK] & _VALUE, self._literals[END_OF_BLOCK] >> _WIDTH)

    # -- inside

    @cython.cfunc
    def _room(self, size: cython.Py_ssize_t) -> cython.void:
        if self._size + size > len(self._out):
            grown = bytearray(max(self._size + size, 2 * len(self._out)))
            grown[: self._size] = memoryview(self._out)[: self._size]
            self._out = grown
            self._view = memoryview(grown)

    @cython.cfunc
    @cython.exceptval(check=False)
    def _bits(self, value: cython.ulonglong, width: cython.uint) -> cython.void:
        self._acc |= value << self._fill
        self._fill += width
        while self._fill >= 8:
            self._view[self._size] = self._acc & 0xFF
            self._size += 1
            self._acc >>= 8
            self._fill -= 8

    @cython.cfunc
    def _use(self, literal_lengths: bytes, distance_lengths: bytes) -> cython.void:
        """Set the tables of the open block."""
        literal_codes: cython.uint[::1] = canonical_codes(literal_lengths)
        distance_codes: cython.uint[::1] = canonical_codes(distance_lengths)
        symbol: cython.int
        length: cython.int
        value: cython.uint
        bits: cython.uint
        for symbol in range(END_OF_BLOCK + 1):
            self._literals[symbol] = literal_codes[symbol] | literal_lengths[symbol] << _WIDTH
        known: cython.int = min(len(literal_lengths), LITERALS) - END_OF_BLOCK - 1
        extra: cython.uint
        for symbol in range(LITERALS - END_OF_BLOCK - 1):  # the last one overwrites what the one before it has of 258
            bits = literal_lengths[257 + symbol] if symbol < known else 0
            extra = _LENGTH_EXTRA[symbol]
            value = (literal_codes[257 + symbol] | (bits + extra) << _WIDTH) if bits else 0
            for length in range(1 << extra):
                self._lengths[_LENGTH_BASE[symbol] + length] = value | length << bits if bits else 0
        self._lengths[_LONG_FIELD] = 0
        if known > 27 and literal_lengths[284]:
            bits = literal_lengths[284]
            self._lengths[_LONG_FIELD] = literal_codes[284] | 31 << bits | (bits + 5) << _WIDTH
        for symbol in range(DISTANCES):
            self._distances[symbol] = 0
            if symbol < len(distance_lengths):
                self._distances[symbol] = distance_codes[symbol] | distance_lengths[symbol] << _WIDTH

    @cython.cfunc
    def _tokens(self, token_view: cython.uint[::1]) -> cython.bint:
        """Send the tokens; False if one has no code. `_room` has made room for _TOKEN_BYTES each.

        Indexes hold for any token: lengths are cut to 10 bits, distances compared with the window. Fewer than 8 bits
        stay in the accumulator, and a token adds at most 48.
        """
        out: cython.p_uchar = self._out
        size: cython.Py_ssize_t = self._size
        acc: cython.ulonglong = self._acc
        fill: cython.uint = self._fill
        # Pointers and constants as locals: for all that a compiler knows, a store through `out` changes the others.
        tokens: cython.p_uint = cython.address(token_view[0]) if cython.compiled else token_view
        literals: cython.p_uint = cython.address(self._literals[0]) if cython.compiled else self._literals
        lengths: cython.p_uint = cython.address(self._lengths[0]) if cython.compiled else self._lengths
        distances: cython.p_uint = cython.address(self._distances[0]) if cython.compiled else self._distances
        symbols: cython.p_const_uchar = cython.address(_DISTANCE_SYMBOL[0]) if cython.compiled else _DISTANCE_SYMBOL
        extras: cython.p_const_uchar = cython.address(_DISTANCE_EXTRA[0]) if cython.compiled else _DISTANCE_EXTRA
        bases: cython.p_ushort = cython.address(_DISTANCE_BASE[0]) if cython.compiled else _DISTANCE_BASE
        value: cython.uint = _VALUE
        width: cython.uint = _WIDTH
        window: cython.uint = WINDOW
        i: cython.Py_ssize_t
        count: cython.Py_ssize_t = len(token_view)
        token: cython.uint
        entry: cython.uint
        symbol: cython.uint
        distance: cython.uint
        coded: cython.bint = True
        with cython.nogil:
            for i in range(count):
                token = tokens[i]
                if token < 256:
                    entry = literals[token]
                    acc |= cython.cast(cython.ulonglong, entry & value) << fill
                    fill += entry >> width
                else:
                    distance = (token & 0xFFFF) - 1 & _ALL_BITS
                    if token >> 26 or distance >= window:
                        coded = False
                        break
                    entry = lengths[token >> 16]
                    coded = coded and entry != 0
                    acc |= cython.cast(cython.ulonglong, entry & value) << fill
                    fill += entry >> width
                    symbol = symbols[distance if distance < 256 else 256 + (distance >> 7)]
                    entry = distances[symbol]
                    acc |= cython.cast(cython.ulonglong, entry & value) << fill
                    fill += entry >> width
                    acc |= cython.cast(cython.ulonglong, distance + 1 - bases[symbol]) << fill
                    fill += extras[symbol]
                coded = coded and entry != 0
                store64(out, size, acc)
                size += fill >> 3
                acc >>= fill & 0x38
                fill &= 7
        self._size = size
        self._acc = acc
        self._fill = fill
        return coded


def count_symbols(tokens: array[int]) -> tuple[array[int], array[int]]:
    """Return how often each of the 286 literal/length and 30 distance symbols occurs; end of block once.

    Raises ValueError for what no decoder gives as a token.
    """
    literals = array("I", bytes(4 * LITERALS))
    distances = array("I", bytes(4 * DISTANCES))
    if not _count(tokens, literals, distances):
        raise ValueError("a malformed token")
    literals[END_OF_BLOCK] = 1
    return literals, distances


@cython.cfunc
def _count(token_view: cython.uint[::1], literals: cython.uint[::1], distances: cython.uint[::1]) -> cython.bint:
    """Count the symbols; False if a token is malformed.

    Matches are sorted out without a branch, some at a time, since no branch predictor foresees them.
    """
    tokens: cython.p_uint = cython.address(token_view[0]) if cython.compiled else token_view
    matches = cython.declare(cython.uint[1024])
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    count: cython.Py_ssize_t = len(token_view)
    found: cython.Py_ssize_t
    token: cython.uint
    distance: cython.uint
    end_of_block: cython.uint = END_OF_BLOCK
    with cython.nogil:
        for at in range(0, count, 1024):
            found = 0
            for i in range(at, min(at + 1024, count)):
                token = tokens[i]
                literals[min(token, end_of_block)] += 1
                matches[found] = token
                found += token >= 256
            for i in range(found):
                token = matches[i]
                distance = (token & 0xFFFF) - 1 & _ALL_BITS
                if token >> 26 or distance >= 32768 or (token >> 16) & 0x1FF > 258:
                    return False
                literals[284 if token >> 25 else 257 + _LENGTH_SYMBOL[token >> 16]] += 1
                distances[_DISTANCE_SYMBOL[distance if distance < 256 else 256 + (distance >> 7)]] += 1
    return True


def long_matches(tokens: array[int]) -> list[int]:
    """Return the indexes of the matches of length 258 in the long spelling."""
    view: cython.uint[::1] = tokens
    i: cython.Py_ssize_t
    together: cython.uint = 0
    for i in range(len(tokens)):
        together |= view[i]
    return [i for i in range(len(tokens)) if view[i] >> 25] if together >> 25 else []


def tokens_within(tokens: array[int], size: int) -> int:
    """Return how many of the tokens stand for the first `size` bytes; a token across their end counts."""
    view: cython.uint[::1] = tokens
    i: cython.Py_ssize_t
    left: cython.Py_ssize_t = size
    for i in range(len(tokens)):
        if left <= 0:
            return i
        left -= 1 if view[i] < 256 else view[i] >> 16 & 0x1FF
    return len(tokens)


def body_bits(
    literal_counts: array[int], distance_counts: array[int], literal_lengths: bytes, distance_lengths: bytes
) -> int:
    """Return the bits of a block's tokens and end of block under a code, extra bits included."""
    return _weigh(literal_counts, literal_lengths, LENGTH_EXTRA, 257) + _weigh(
        distance_counts, distance_lengths, DISTANCE_EXTRA, 0
    )


@cython.cfunc
def _weigh(counts: cython.uint[::1], lengths: bytes, extras: bytes, first: cython.Py_ssize_t) -> cython.ulonglong:
    """Return the bits of an alphabet's symbols; those from `first` on have extra bits."""
    bits: cython.ulonglong = 0
    i: cython.Py_ssize_t
    for i in range(min(len(counts), len(lengths))):
        bits += cython.cast(cython.ulonglong, counts[i]) * lengths[i]
    for i in range(min(len(counts) - first, len(extras))):
        bits += cython.cast(cython.ulonglong, counts[first + i]) * extras[i]
    return bits
