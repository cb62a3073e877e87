# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""A raw deflate stream decoded step by step into blocks, tokens and plaintext (RFC 1951), with bounded
memory.

`feed` takes compressed bytes in pieces of any size. `block` reads the next block's header, `run` decodes as
many of its tokens as the input gives and the buffers hold, `plaintext` and `tokens` fetch what was decoded;
the caller fetches both after every `run`. Nothing is verified beyond the stream itself; framing is the
caller's.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import Enum

import cython

from bundle.deflate.header import MANY_ZEROS, REPEAT, ZEROS, DynamicHeader
from bundle.deflate.huffman import canonical_codes
from bundle.deflate.tables import (
    CODE_LENGTH_ORDER,
    CODE_LENGTH_SYMBOLS,
    DISTANCE_BASE,
    DISTANCE_EXTRA,
    DISTANCES,
    DYNAMIC,
    END_OF_BLOCK,
    FIXED,
    FIXED_DISTANCE_LENGTHS,
    FIXED_LITERAL_LENGTHS,
    LENGTH_BASE,
    LENGTH_EXTRA,
    LITERALS,
    LONG_258,
    MAX_MATCH,
    MAX_STORED,
    STORED,
    WINDOW,
)
from bundle.errors import FormatError

SPAN = 1 << 16  # plaintext bytes decoded by one `run`, at most
TOKENS = 1 << 14  # tokens decoded by one `run`, at most

# Decoding tables are indexed by the next bits of the stream. An entry is `value << 16 | kind << 8 | bits`;
# bits is the number of bits to drop. For codes longer than the index, a LINK leads to a second table: `value`
# is its start, and `bits` the width of its index.
_LITERAL_INDEX = cython.declare(cython.uint, 10)
_DISTANCE_INDEX = cython.declare(cython.uint, 8)
_LITERAL = cython.declare(cython.uint, 0x20)  # kinds; any below 0x20 is a base with so many extra bits
_END = cython.declare(cython.uint, 0x40)
_LINK = cython.declare(cython.uint, 0x80)
_UNUSED = cython.declare(cython.uint, 0xFF)
# In a complete code a second table of w bits holds at least w + 1 codes, so 2 ** w / (w + 1) entries a symbol
# suffice.
_LITERAL_ENTRIES = (1 << _LITERAL_INDEX) + 288 * 32 // 6
_DISTANCE_ENTRIES = (1 << _DISTANCE_INDEX) + 32 * 128 // 8


class Status(Enum):
    """Why `run` stopped."""

    MORE = "fetch tokens and plaintext, then run again"
    HUNGRY = "feed more input"
    DONE = "the block is over"


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header. `header` is set for dynamic blocks; `size` and `padding` matter for stored ones."""

    kind: int
    final: bool
    header: DynamicHeader | None = None
    size: int = 0
    padding: int = 0


@cython.cclass
class Inflater:
    """The state of one stream. Every method raises FormatError if the stream is not valid deflate."""

    _input: bytes
    _at: cython.Py_ssize_t
    _acc: cython.ulonglong
    _fill: cython.uint
    _out: bytearray
    _view: cython.uchar[::1]
    _end: cython.Py_ssize_t
    _start: cython.Py_ssize_t
    _taken: cython.Py_ssize_t
    _token_array: array[int]
    _tokens: cython.uint[::1]
    _count: cython.Py_ssize_t
    _kind: cython.int
    _stored: cython.Py_ssize_t
    _literals: cython.uint[::1]
    _distances: cython.uint[::1]

    def __init__(self) -> None:
        self._input = b""
        self._at = 0  # next byte of _input
        self._acc = 0  # bits that have left _input
        self._fill = 0
        self._out = bytearray(WINDOW + SPAN + MAX_MATCH)
        self._view = memoryview(self._out)
        self._start = 0  # where the stream's plaintext begins, or the window it can reach
        self._taken = 0  # plaintext up to here has been fetched
        self._end = 0
        self._token_array = array("I", bytes(4 * TOKENS))
        self._tokens = self._token_array
        self._count = 0
        self._kind = STORED
        self._stored = 0  # bytes of a stored block still to come
        self._literals = array("I", bytes(4 * _LITERAL_ENTRIES))
        self._distances = array("I", bytes(4 * _DISTANCE_ENTRIES))

    def feed(self, data: bytes) -> None:
        """Append compressed bytes."""
        self._unload()
        self._input = self._input[self._at :] + data
        self._at = 0

    def restart(self) -> None:
        """Begin a new stream with the bytes that follow; the old one's plaintext cannot be referred to."""
        self._start = self._end

    def align(self) -> int:
        """Skip to the next byte boundary; return the bits skipped."""
        self._unload()
        padding = int(self._acc)
        self._acc = 0
        self._fill = 0
        return padding

    def read(self, size: int) -> bytes:
        """Return up to `size` whole bytes of the input. Call `align` before."""
        data = self._input[self._at : self._at + size]
        self._at += len(data)
        return data

    def unread(self, size: int) -> None:
        """Give back the last `size` bytes that `read` returned since the last `feed`."""
        self._at -= min(size, self._at)

    def plaintext(self) -> bytes:
        """Return the plaintext decoded since the last call."""
        data = bytes(memoryview(self._out)[self._taken : self._end])
        self._taken = self._end
        if self._end >= SPAN:
            shift = self._end - WINDOW
            self._out[:WINDOW] = self._out[shift : self._end]
            self._start = max(0, self._start - shift)
            self._taken = self._end = WINDOW
        return data

    def tokens(self) -> array[int]:
        """Return the tokens decoded since the last call."""
        tokens = self._token_array[: self._count]
        self._count = 0
        return tokens

    def block(self) -> Block | None:
        """Read a block's header; None if the input ends within it."""
        self._load()
        if self._fill < 3:
            return None
        at, acc, fill = self._at, self._acc, self._fill
        final = bool(self._acc & 1)
        self._kind = (self._acc >> 1) & 3
        self._drop(3)
        block: Block | None
        if self._kind == STORED:
            block = self._begin_stored(final)
        elif self._kind == FIXED:
            self._use(FIXED_LITERAL_LENGTHS, FIXED_DISTANCE_LENGTHS)
            block = Block(FIXED, final)
        elif self._kind == DYNAMIC:
            block = self._begin_dynamic(final)
        else:
            raise FormatError("unknown kind of deflate block")
        if block is None:
            self._at, self._acc, self._fill = at, acc, fill
        return block

    def run(self, limit: int = TOKENS) -> Status:
        """Decode what the input gives, at most `limit` tokens and SPAN bytes before they are fetched."""
        if self._kind != STORED:
            return _STATUS[self._decode(min(limit, TOKENS))]
        while self._stored:
            size = min(self._stored, len(self._out) - MAX_MATCH - self._end)
            if size <= 0:
                return Status.MORE
            data = self.read(size)
            if not data:
                return Status.HUNGRY
            self._out[self._end : self._end + len(data)] = data
            self._end += len(data)
            self._stored -= len(data)
        return Status.DONE

    # -- bits

    @cython.cfunc
    @cython.exceptval(check=False)
    def _load(self) -> cython.void:
        """Fill the accumulator from the input, as far as there is input."""
        while self._fill <= 56 and self._at < len(self._input):
            self._acc |= cython.cast(cython.ulonglong, self._input[self._at]) << self._fill
            self._at += 1
            self._fill += 8

    @cython.cfunc
    @cython.exceptval(check=False)
    def _unload(self) -> cython.void:
        """Put whole bytes of the accumulator back, so that `_at` is the first byte not touched."""
        self._at -= self._fill >> 3
        self._fill &= 7
        self._acc &= (1 << self._fill) - 1

    @cython.cfunc
    @cython.exceptval(check=False)
    def _drop(self, bits: cython.uint) -> cython.void:
        self._acc >>= bits
        self._fill -= bits

    # -- headers

    @cython.cfunc
    def _begin_stored(self, final: bool) -> Block | None:
        padding = self.align()
        data = self.read(4)
        if len(data) < 4:
            return None
        size = data[0] | data[1] << 8
        if size ^ MAX_STORED != data[2] | data[3] << 8:
            raise FormatError("stored block's length and complement disagree")
        self._stored = size
        return Block(STORED, final, size=size, padding=padding)

    @cython.cfunc
    def _begin_dynamic(self, final: bool) -> Block | None:
        if self._fill < 14:
            return None
        literal_count: cython.int = (self._acc & 31) + 257
        distance_count: cython.int = (self._acc >> 5 & 31) + 1
        run_length_count: cython.int = (self._acc >> 10 & 15) + 4
        self._drop(14)
        if literal_count > LITERALS or distance_count > DISTANCES:
            raise FormatError("more code lengths than symbols")
        run_lengths = bytearray(CODE_LENGTH_SYMBOLS)
        for symbol in CODE_LENGTH_ORDER[:run_length_count]:
            self._load()
            if self._fill < 3:
                return None
            run_lengths[symbol] = self._acc & 7
            self._drop(3)
        entries: cython.uint[::1] = array("I", bytes(4 << 7))
        _build(bytes(run_lengths), entries, 7, _RUN_VALUES)
        runs = bytearray()
        wanted: cython.int = literal_count + distance_count
        last: cython.int = -1
        entry: cython.uint
        bits: cython.uint
        value: cython.uint
        extra: cython.uint
        while wanted > 0:
            self._load()
            entry = entries[self._acc & 0x7F]
            bits = entry & 0xFF
            if entry >> 8 & 0xFF == _UNUSED:
                raise FormatError("code of a code length is not in use")
            value = entry >> 16
            extra = 0 if value < 16 else (2, 3, 7)[value - 16]
            if bits + extra > self._fill:
                return None
            self._drop(bits)
            if value < 16:
                runs.append(value)
                last = value
                wanted -= 1
            elif value == 16:
                if last < 0:
                    raise FormatError("repeated code length without a length before it")
                runs.append(REPEAT + (self._acc & 3))
                wanted -= 3 + (self._acc & 3)
            elif value == 17:
                runs.append(ZEROS + (self._acc & 7))
                wanted -= 3 + (self._acc & 7)
                last = 0
            else:
                runs.append(MANY_ZEROS + (self._acc & 0x7F))
                wanted -= 11 + (self._acc & 0x7F)
                last = 0
            self._drop(extra)
        sizes = (literal_count, distance_count, run_length_count)
        header = DynamicHeader(*sizes, bytes(run_lengths), bytes(runs))
        literal_lengths, distance_lengths = header.lengths()
        if not literal_lengths[END_OF_BLOCK]:
            raise FormatError("no code for end of block")
        self._use(literal_lengths, distance_lengths)
        return Block(DYNAMIC, final, header)

    @cython.cfunc
    def _use(self, literal_lengths: bytes, distance_lengths: bytes) -> cython.void:
        _build(literal_lengths, self._literals, _LITERAL_INDEX, _LITERAL_VALUES)
        _build(distance_lengths, self._distances, _DISTANCE_INDEX, _DISTANCE_VALUES)

    # -- tokens

    @cython.cfunc
    def _decode(self, most: cython.Py_ssize_t) -> cython.int:
        """Decode tokens of a Huffman block; return the index of the Status.

        Writes stay inside: before each token there is room for MAX_MATCH bytes and one token. Reads do, too:
        a distance is compared with the plaintext there is, the tables cover all indexes, and eight bytes are
        loaded at once only where there are eight. Bits beyond the input read as zero; a token is committed
        only if all its bits were there.
        """
        # Constants as locals: the compiler cannot know that stores to `out` leave globals alone.
        longest: cython.Py_ssize_t = MAX_MATCH
        marked: cython.uint = LONG_258
        literal: cython.uint = _LITERAL
        link: cython.uint = _LINK
        unused: cython.uint = _UNUSED
        literal_index: cython.uint = _LITERAL_INDEX
        literal_mask: cython.uint = (1 << literal_index) - 1
        distance_index: cython.uint = _DISTANCE_INDEX
        distance_mask: cython.uint = (1 << distance_index) - 1
        data: bytes = self._input
        size: cython.Py_ssize_t = len(data)
        at: cython.Py_ssize_t = self._at
        acc: cython.ulonglong = self._acc
        fill: cython.uint = self._fill
        out: cython.uchar[::1] = self._view
        end: cython.Py_ssize_t = self._end
        start: cython.Py_ssize_t = self._start
        full: cython.Py_ssize_t = len(out) - longest
        tokens: cython.uint[::1] = self._tokens
        count: cython.Py_ssize_t = self._count
        literals: cython.uint[::1] = self._literals
        distances: cython.uint[::1] = self._distances
        entry: cython.uint
        kind: cython.uint
        used: cython.uint
        look: cython.ulonglong
        length: cython.Py_ssize_t
        distance: cython.Py_ssize_t
        long_258: cython.uint
        i: cython.Py_ssize_t
        status: cython.int
        while True:
            if count >= most or end > full:
                status = 0
                break
            if fill < 48:
                if at + 8 <= size:
                    acc |= (
                        cython.cast(cython.ulonglong, data[at])
                        | cython.cast(cython.ulonglong, data[at + 1]) << 8
                        | cython.cast(cython.ulonglong, data[at + 2]) << 16
                        | cython.cast(cython.ulonglong, data[at + 3]) << 24
                        | cython.cast(cython.ulonglong, data[at + 4]) << 32
                        | cython.cast(cython.ulonglong, data[at + 5]) << 40
                        | cython.cast(cython.ulonglong, data[at + 6]) << 48
                        | cython.cast(cython.ulonglong, data[at + 7]) << 56
                    ) << fill & _ALL_BITS
                    at += (63 - fill) >> 3
                    fill |= 56
                else:
                    while fill <= 56 and at < size:
                        acc |= cython.cast(cython.ulonglong, data[at]) << fill
                        at += 1
                        fill += 8
            entry = literals[acc & literal_mask]
            kind = entry >> 8 & 0xFF
            if kind == link:
                entry = literals[(entry >> 16) + (acc >> literal_index & (1 << (entry & 0xFF)) - 1)]
                kind = entry >> 8 & 0xFF
            used = entry & 0xFF
            if kind == literal:
                if used > fill:
                    status = 1
                    break
                acc >>= used
                fill -= used
                tokens[count] = entry >> 16
                count += 1
                out[end] = entry >> 16
                end += 1
                continue
            if kind >= 0x20:
                if kind == unused:
                    raise FormatError("literal or length code is not in use")
                if used > fill:
                    status = 1
                    break
                acc >>= used
                fill -= used
                status = 2
                break
            look = acc >> used
            length = (entry >> 16) + (look & (1 << kind) - 1)
            long_258 = marked if length == longest and kind else 0
            look >>= kind
            used += kind
            entry = distances[look & distance_mask]
            kind = entry >> 8 & 0xFF
            if kind == link:
                entry = distances[(entry >> 16) + (look >> distance_index & (1 << (entry & 0xFF)) - 1)]
                kind = entry >> 8 & 0xFF
            if kind == unused:
                raise FormatError("distance code is not in use")
            look >>= entry & 0xFF
            used += (entry & 0xFF) + kind
            if used > fill:
                status = 1
                break
            distance = (entry >> 16) + (look & (1 << kind) - 1)
            if distance > end - start:
                raise FormatError("match reaches back before the beginning")
            acc = look >> kind
            fill -= used
            tokens[count] = long_258 | length << 16 | distance
            count += 1
            for i in range(end, end + length):
                out[i] = out[i - distance]
            end += length
        self._at = at
        self._acc = acc & _ALL_BITS >> (64 - fill) if fill else 0
        self._fill = fill
        self._end = end
        self._count = count
        return status


_STATUS = (Status.MORE, Status.HUNGRY, Status.DONE)

_ALL_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)

# What symbols stand for: `value << 8 | kind` of a table entry.
_LITERAL_VALUES = array(
    "I",
    [
        *(byte << 8 | _LITERAL for byte in range(256)),
        _END,
        *(base << 8 | extra for base, extra in zip(LENGTH_BASE, LENGTH_EXTRA, strict=True)),
        _UNUSED,
        _UNUSED,
    ],
)
_DISTANCE_VALUES = array(
    "I",
    [
        *(base << 8 | extra for base, extra in zip(DISTANCE_BASE, DISTANCE_EXTRA, strict=True)),
        _UNUSED,
        _UNUSED,
    ],
)
_RUN_VALUES = array("I", [symbol << 8 for symbol in range(CODE_LENGTH_SYMBOLS)])


@cython.cfunc
def _build(lengths: bytes, entries: cython.uint[::1], index: cython.uint, values: cython.uint[::1]) -> cython.void:
    """Fill a decoding table. As zlib does, take complete codes, a single code of one bit, or none at all."""
    codes: cython.uint[::1] = canonical_codes(lengths)
    widths: cython.uchar[::1] = bytearray(1 << index)
    symbol: cython.Py_ssize_t
    bits: cython.uint
    code: cython.uint
    covered: cython.uint = 0
    longest: cython.uint = 0
    for symbol in range(len(lengths)):
        bits = lengths[symbol]
        if bits:
            covered += 1 << (15 - bits)
            longest = max(longest, bits)
            if bits > index:
                code = codes[symbol] & (1 << index) - 1
                widths[code] = max(widths[code], bits - index)
    if covered != 1 << 15 and longest > 1:
        raise FormatError("incomplete Huffman code")
    i: cython.Py_ssize_t
    if covered != 1 << 15:
        for i in range(1 << index):
            entries[i] = _UNUSED << 8
    following: cython.uint = 1 << index
    for i in range(1 << index):
        if widths[i]:
            entries[i] = following << 16 | _LINK << 8 | widths[i]
            following += 1 << widths[i]
    entry: cython.uint
    for symbol in range(len(lengths)):
        bits = lengths[symbol]
        if not bits:
            continue
        code = codes[symbol]
        entry = values[symbol] << 8 | bits
        if bits <= index:
            i = code
            while i < 1 << index:
                entries[i] = entry
                i += 1 << bits
        else:
            i = code & (1 << index) - 1
            following = entries[i] >> 16
            covered = following + (1 << widths[i])
            i = following + (code >> index)
            while i < covered:
                entries[i] = entry
                i += 1 << (bits - index)
