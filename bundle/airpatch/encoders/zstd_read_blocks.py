# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: a bit that is read is at least `first`, in a buffer with _SLACK bytes behind the block; states stay below
# 2**log, symbols below the number that their code was read with; counts of sequences and literals are compared first.
"""Compressed blocks of any encoder, read into their sequences and their shape (RFC 8878 3.1.1.3).

The *shape* is all that an encoder chose beside the sequences: the form of the literals section, and the codes. Literals
themselves are not read: they follow from the uncompressed bytes. No input is trusted.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import cython

from airpatch.encoders.kzstd_sequence_codes import LENGTH_SHARES, MATCH_SHARES, OFFSET_SHARES
from airpatch.encoders.kzstd_sequences import MAX_BLOCK, MAX_SEQUENCES
from airpatch.encoders.zstd_codes import fse_table
from airpatch.encoders.zstd_sequence_bits import LENGTH_BITS, MATCH_BITS
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load64
    from cython.cimports.airpatch.encoders.kzstd_sequences import Sequences
    from cython.cimports.airpatch.encoders.kzstd_words import bit_length
    from cython.cimports.airpatch.encoders.zstd_codes import MALFORMED, FseTable
    from cython.cimports.airpatch.encoders.zstd_sequence_bits import first_state
else:
    from airpatch.byte_access import load64
    from airpatch.encoders.kzstd_sequences import Sequences
    from airpatch.encoders.kzstd_words import bit_length
    from airpatch.encoders.zstd_codes import MALFORMED, FseTable
    from airpatch.encoders.zstd_sequence_bits import first_state

_SLACK = 8  # bytes that may be read after the end of a block
_MAX_SEQUENCES = cython.declare(cython.int, MAX_SEQUENCES)
_MAX_BLOCK = cython.declare(cython.longlong, MAX_BLOCK)
LITERAL_LOG, OFFSET_LOG, MATCH_LOG = 9, 8, 9  # of codes, at most
_LENGTH_SYMBOLS, _OFFSET_SYMBOLS, _MATCH_SYMBOLS = 36, 32, 53
_DEFAULT, _ONE_SYMBOL, _NEW = 0, 1, 2
_TREELESS = 3


@cache
def _bases(bits: bytes) -> tuple[int, ...]:
    """Return the least number of each symbol, given how many extra bits each has."""
    return tuple(accumulate((1 << width for width in bits), initial=0))


class UnusualBlock(FormatError):
    """A block that is written otherwise than it has to be, so that its shape does not tell it."""


@cython.cclass
class CodeSlot:
    """The code of one kind of numbers, from block to block. Types are in zstd_read_blocks.pxd."""

    def __init__(self, shares: tuple[int, ...], log: int, most_log: int, symbols: int) -> None:
        self._default = fse_table(shares, log)
        self._own = FseTable()
        self._most_log = most_log
        self._symbols = symbols
        self.table = self._own
        self.reset()

    def reset(self) -> None:
        """Begin another frame, which has no code yet."""
        self._own.valid = False
        self.table = self._own

    def take(self, mode: int, data: bytes) -> int:
        """Use the code that `mode` says, maybe the one that `data` begins with; return how many bytes of it that is."""
        size: cython.int = len(data)
        view: cython.const[cython.uchar][::1] = data or b"\0"
        used: cython.int = 0
        if mode == _DEFAULT:
            self.table = self._default
        elif mode == _ONE_SYMBOL:
            if not size or view[0] >= self._symbols:
                raise FormatError("zstd: a code of a symbol that there is not")
            self._own.set_single(view[0])
            self.table = self._own
            used = 1
        elif mode == _NEW:
            used = self._own.read(
                cython.address(view[0]) if cython.compiled else view, size, self._most_log, self._symbols
            )
            self.table = self._own
            if used == MALFORMED:
                raise FormatError("zstd: a code that is malformed")
        elif not self.table.valid:
            raise FormatError("zstd: a code is to be repeated, and there was none")
        return used


def code_slots() -> tuple[CodeSlot, CodeSlot, CodeSlot]:
    """Return the codes of literal lengths, offsets, match lengths."""
    return (
        CodeSlot(LENGTH_SHARES, 6, LITERAL_LOG, _LENGTH_SYMBOLS),
        CodeSlot(OFFSET_SHARES, 5, OFFSET_LOG, _OFFSET_SYMBOLS),
        CodeSlot(MATCH_SHARES, 6, MATCH_LOG, _MATCH_SYMBOLS),
    )


def literals_header(data: bytes) -> tuple[int, int, int, int]:
    """Return of a literals section its form, how long its header is, how many literals it has, and its size in bytes.

    The form is the first byte without the bits of the number (RFC 8878 3.1.1.3.1.1).
    """
    if len(data) < 5:
        data += bytes(5)
    kind, sizes = data[0] & 3, data[0] >> 2 & 3
    if kind < 2:  # plain, or one repeated
        header = (1, 2, 1, 3)[sizes]
        count = int.from_bytes(data[:header], "little") >> (3 if header == 1 else 4)
        return kind | (0 if header == 1 else sizes << 2), header, count, 1 if kind else count
    header = (3, 3, 4, 5)[sizes]
    width = (10, 10, 14, 18)[sizes]
    word = int.from_bytes(data[:header], "little") >> 4
    return data[0] & 15, header, word & (1 << width) - 1, word >> width


@cython.cclass
class BlockReader:
    """Reads the compressed blocks of a frame. Types are in zstd_read_blocks.pxd."""

    def __init__(self) -> None:
        self.found = Sequences()
        self._slots = code_slots()
        self._buffer = bytearray(MAX_BLOCK + _SLACK)
        self._data = self._buffer
        self._bits_of_lengths = bytearray(LENGTH_BITS)
        self._bits_of_matches = bytearray(MATCH_BITS)
        self._bases = memoryview(bytearray(4 * 128)).cast("I")
        for i, base in enumerate(_bases(LENGTH_BITS)):
            self._bases[i] = base
        for i, base in enumerate(_bases(MATCH_BITS)):
            self._bases[64 + i] = base

    def reset(self) -> None:
        """Begin another frame."""
        for slot in self._slots:
            slot.reset()

    def read(self, block: bytes) -> tuple[int, bytes]:
        """Read the content of a compressed block into `found`; return how many bytes it stands for, and its shape.

        Raises UnusualBlock if it could not be written again from these, FormatError if it is malformed.
        """
        if len(block) > MAX_BLOCK:
            raise FormatError("zstd: a block that is too large")
        form, header, literals, size = literals_header(block)
        kind = form & 3
        at = header + size
        if literals > MAX_BLOCK or at >= len(block):
            raise FormatError("zstd: literals that do not fit into their block")
        shape = bytearray((form,))
        if kind == 2:
            table = block[header : header + _table_size(block[header])]
            if len(table) > size:
                raise FormatError("zstd: a code of literals that is cut short")
            shape.append(len(table))
            shape += table
        count = block[at]
        at += 1
        if count >= 128:
            more = block[at : at + (2 if count == 255 else 1)] + b"\0\0"
            if count == 255:
                count = 0x7F00 + more[0] + (more[1] << 8)
                at += 2
            else:
                count = (count - 128 << 8) + more[0]
                at += 1
            if count < 128:
                raise UnusualBlock("zstd: a number of sequences that takes more bytes than it needs")
        if count > MAX_SEQUENCES:
            raise FormatError("zstd: more sequences than a block has room for")
        found: Sequences = self.found
        found.count = count
        found.literal_count = literals
        if not count:
            if at != len(block):
                raise FormatError("zstd: a block goes on after its end")
            return literals, bytes(shape)
        modes = block[at : at + 1]
        if not modes or modes[0] & 3:
            raise FormatError("zstd: sequences without codes, or with unknown ones")
        at += 1
        shape += modes
        for slot, shift in zip(self._slots, (6, 4, 2), strict=True):
            used = slot.take(modes[0] >> shift & 3, block[at : at + 512])
            if modes[0] >> shift & 3 == _NEW:
                shape.append(used)
            shape += block[at : at + used]
            at += used
        return literals + self._sequences(block, at), bytes(shape)

    def take_literals(self, uncompressed: bytes) -> None:
        """Complete `found` with the literals of the block, which stands for `uncompressed`."""
        found: Sequences = self.found
        source: cython.const[cython.uchar][::1] = uncompressed or b"\0"
        size: cython.int = len(uncompressed)
        at: cython.int = 0
        written: cython.int = 0
        n: cython.int
        left: cython.uint
        for n in range(found.count):
            left = found.literal_lengths[n]
            while left and at < size:
                found.literals[written] = source[at]
                written += 1
                at += 1
                left -= 1
            at += found.match_lengths[n] + 3
        while at < size:
            found.literals[written] = source[at]
            written += 1
            at += 1

    def _sequences(self, block: bytes, at: int) -> int:
        """Read the sequences; return how many bytes their matches have."""
        begin: cython.int = at
        size: cython.int = len(block)
        total: cython.longlong
        lengths: CodeSlot = self._slots[0]
        offsets: CodeSlot = self._slots[1]
        matches: CodeSlot = self._slots[2]
        if begin >= size or block[size - 1] == 0:
            raise FormatError("zstd: sequences that are cut short")
        self._buffer[:size] = block
        self._buffer[size : size + _SLACK] = bytes(_SLACK)
        with cython.nogil:
            total = self._run(self.found, begin, size, lengths.table, offsets.table, matches.table)
        if total == -2:
            raise UnusualBlock("zstd: sequences that end in another state than they need")
        if total < 0 or total > _MAX_BLOCK:
            raise FormatError("zstd: sequences that are malformed")
        return int(total)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _run(
        self,
        found: Sequences,
        begin: cython.int,
        size: cython.int,
        lengths: FseTable,
        offsets: FseTable,
        matches: FseTable,
    ) -> cython.longlong:
        """Read all sequences; return how many bytes their matches have, -1 or -2 if they are malformed or unusual."""
        data: cython.p_uchar = cython.address(self._data[0]) if cython.compiled else self._data
        bases: cython.p_uint = cython.address(self._bases[0]) if cython.compiled else self._bases
        bit: cython.int = 8 * (size - 1) + bit_length(data[size - 1]) - 1
        first: cython.int = 8 * begin
        total: cython.longlong = 0
        literals: cython.longlong = 0
        n: cython.int
        length: cython.int = 0
        offset: cython.int = 0
        match: cython.int = 0
        wide: cython.int
        word: cython.ulonglong
        one: cython.ulonglong = 1
        state_l: cython.uint
        state_o: cython.uint
        state_m: cython.uint
        wide = lengths.code.log + offsets.code.log + matches.code.log
        bit -= wide
        if bit < first:
            return -1
        word = load64(data, bit >> 3) >> (bit & 7)
        state_m = word & ((1 << matches.code.log) - 1)
        word >>= matches.code.log
        state_o = word & ((1 << offsets.code.log) - 1)
        word >>= offsets.code.log
        state_l = word & ((1 << lengths.code.log) - 1)
        for n in range(found.count):
            length = lengths.symbols[state_l]
            offset = offsets.symbols[state_o]
            match = matches.symbols[state_m]
            bit -= offset
            if bit < first:
                return -1
            word = load64(data, bit >> 3) >> (bit & 7)
            found.offsets[n] = cython.cast(cython.uint, (one << offset) | (word & ((one << offset) - 1)))
            wide = self._bits_of_lengths[length] + self._bits_of_matches[match]
            bit -= wide
            if bit < first:
                return -1
            word = load64(data, bit >> 3) >> (bit & 7)
            wide = self._bits_of_lengths[length]
            found.literal_lengths[n] = bases[length] + cython.cast(cython.uint, word & ((1 << wide) - 1))
            word >>= wide
            wide = self._bits_of_matches[match]
            found.match_lengths[n] = bases[64 + match] + cython.cast(cython.uint, word & ((1 << wide) - 1))
            total += found.match_lengths[n] + 3
            literals += found.literal_lengths[n]
            if n + 1 == found.count:
                break
            wide = lengths.widths[state_l] + matches.widths[state_m] + offsets.widths[state_o]
            bit -= wide
            if bit < first:
                return -1
            word = load64(data, bit >> 3) >> (bit & 7)
            wide = offsets.widths[state_o]
            state_o = offsets.bases[state_o] + cython.cast(cython.uint, word & ((1 << wide) - 1))
            word >>= wide
            wide = matches.widths[state_m]
            state_m = matches.bases[state_m] + cython.cast(cython.uint, word & ((1 << wide) - 1))
            word >>= wide
            wide = lengths.widths[state_l]
            state_l = lengths.bases[state_l] + cython.cast(cython.uint, word & ((1 << wide) - 1))
        if bit != first or literals > found.literal_count:
            return -1
        if (
            _first(lengths, length) != state_l
            or _first(offsets, offset) != state_o
            or _first(matches, match) != state_m
        ):
            return -2
        return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _first(table: FseTable, symbol: cython.int) -> cython.uint:
    """Return the state, as a reader counts them, in which an encoder begins with a symbol."""
    bits: cython.p_uint = cython.address(table.code.delta_bits[0]) if cython.compiled else table.code.delta_bits
    steps: cython.p_int = cython.address(table.code.delta_state[0]) if cython.compiled else table.code.delta_state
    states: cython.p_ushort = cython.address(table.code.states[0]) if cython.compiled else table.code.states
    if table.code.log == 0:
        return 0
    return first_state(bits, steps, states, symbol, table.code.log) - (1 << table.code.log)


def _table_size(header: int) -> int:
    """Return how many bytes the description of a code of literals has, by its first one."""
    return 1 + (header if header < 128 else (header - 126) // 2)
