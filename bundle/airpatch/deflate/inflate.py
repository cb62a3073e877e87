# cython: boundscheck=False, wraparound=False, initializedcheck=False
# In bounds: what holds while tokens are decoded stands at `_decode`; elsewhere bytes are sliced, never indexed beyond
# a size that was compared.
"""A raw deflate stream decoded step by step into blocks, tokens and uncompressed data (RFC 1951), with bounded
memory.

`feed` takes compressed bytes in pieces of any size. `block` reads the next block's header, `run` decodes as
many of its tokens as the input gives and the buffers hold, `uncompressed` and `tokens` fetch what was decoded;
the caller fetches both after every `run`. Nothing is verified beyond the stream itself; framing is the
caller's.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import Enum

import cython

from airpatch.deflate.decoding import (
    DISTANCE_ENTRIES,
    DISTANCE_INDEX,
    DISTANCE_VALUES,
    END,
    LINK,
    LITERAL,
    LITERAL_ENTRIES,
    LITERAL_INDEX,
    LITERAL_VALUES,
    UNUSED,
    build_table,
)
from airpatch.deflate.dynamic import read_header
from airpatch.deflate.header import DynamicHeader
from airpatch.deflate.tables import (
    DYNAMIC,
    END_OF_BLOCK,
    FIXED,
    FIXED_DISTANCE_LENGTHS,
    FIXED_LITERAL_LENGTHS,
    LONG_258,
    MAX_MATCH,
    MAX_STORED,
    STORED,
    WINDOW,
)
from airpatch.errors import FormatError

if cython.compiled:
    from cython.cimports.airpatch.byte_access import load64, store64
else:
    from airpatch.byte_access import load64, store64

SPAN = 1 << 16  # uncompressed bytes decoded by one `run`, at most
TOKENS = 1 << 14  # tokens decoded by one `run`, at most

_OVERSHOOT = 8  # bytes after a match that are written over and over

# Why `_decode` stopped.
_MORE = cython.declare(cython.int, 0)
_HUNGRY = cython.declare(cython.int, 1)
_DONE = cython.declare(cython.int, 2)
_UNUSED_LITERAL = cython.declare(cython.int, 3)
_UNUSED_DISTANCE = cython.declare(cython.int, 4)
_TOO_FAR = cython.declare(cython.int, 5)

_ALL_BITS = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


class Status(Enum):
    """Why `run` stopped."""

    MORE = "fetch tokens and uncompressed data, then run again"
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
    """The state of one stream. Every method raises FormatError if the stream is not valid deflate.

    Without `keeps`, there are tokens alone: what they stand for is not written, and `skip` tells its size.
    """

    _input: bytes
    _bit: cython.Py_ssize_t
    _out: bytearray
    _start: cython.Py_ssize_t
    _taken: cython.Py_ssize_t
    _end: cython.Py_ssize_t
    _tokens: array[int]
    _count: cython.Py_ssize_t
    _kind: cython.int
    _stored: cython.Py_ssize_t
    _literals: array[int]
    _distances: array[int]
    _keeps: cython.bint

    def __init__(self, keeps: bool = True) -> None:
        self._keeps = keeps
        self._input = b""
        self._bit = 0  # next bit of _input
        self._out = bytearray(WINDOW + SPAN + MAX_MATCH + _OVERSHOOT)
        self._start = 0  # where the stream's uncompressed data begins, or the window it can reach
        self._taken = 0  # uncompressed data up to here has been fetched
        self._end = 0
        self._tokens = array("I", [0]) * TOKENS
        self._count = 0
        self._kind = STORED
        self._stored = 0  # bytes of a stored block still to come
        self._literals = array("I", bytes(4 * LITERAL_ENTRIES))
        self._distances = array("I", bytes(4 * DISTANCE_ENTRIES))

    def feed(self, data: bytes) -> None:
        """Append compressed bytes."""
        self._input = self._input[self._bit >> 3 :] + data
        self._bit &= 7

    def restart(self) -> None:
        """Begin a new stream with the bytes that follow; the old one's uncompressed data cannot be referred to."""
        self._start = self._end

    def align(self) -> int:
        """Skip to the next byte boundary; return the bits skipped."""
        inside = self._bit & 7
        if not inside:
            return 0
        padding = self._input[self._bit >> 3] >> inside
        self._bit += 8 - inside
        return padding

    def read(self, size: int) -> bytes:
        """Return up to `size` whole bytes of the input. Call `align` before."""
        at = self._bit >> 3
        data = self._input[at : at + size]
        self._bit += 8 * len(data)
        return data

    def unread(self, size: int) -> None:
        """Give back the last `size` bytes that `read` returned since the last `feed`."""
        self._bit -= min(8 * size, self._bit)

    def uncompressed(self) -> bytes:
        """Return the uncompressed data decoded since the last call."""
        data = bytes(memoryview(self._out)[self._taken : self._end])
        self._drop()
        return data

    def skip(self) -> int:
        """Return how many bytes of uncompressed data were decoded since the last call."""
        size = self._end - self._taken
        self._drop()
        return size

    def tokens(self) -> array[int]:
        """Return the tokens decoded since the last call."""
        tokens = self._tokens[: self._count]
        self._count = 0
        return tokens

    def block(self) -> Block | None:
        """Read a block's header; None if the input ends within it."""
        start = self._bit
        at = start >> 3
        bits = int.from_bytes(self._input[at : at + 2], "little") >> (start & 7)
        if start + 3 > 8 * len(self._input):
            return None
        self._bit += 3
        final = bool(bits & 1)
        self._kind = bits >> 1 & 3
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
            self._bit = start
        return block

    def run(self, limit: int = TOKENS) -> Status:
        """Decode what the input gives, at most `limit` tokens and SPAN bytes before they are fetched."""
        if self._kind != STORED:
            return _STATUS[self._decode(min(limit, TOKENS))]
        while self._stored:
            size = min(self._stored, WINDOW + SPAN - self._end)
            if size <= 0:
                return Status.MORE
            data = self.read(size)
            if not data:
                return Status.HUNGRY
            self._out[self._end : self._end + len(data)] = data
            self._end += len(data)
            self._stored -= len(data)
        return Status.DONE

    @cython.cfunc
    def _drop(self) -> cython.void:
        """Make room for more uncompressed data than was fetched: a window of it stays."""
        self._taken = self._end
        if self._end >= SPAN:
            shift: cython.Py_ssize_t = self._end - WINDOW
            if self._keeps:
                self._out[:WINDOW] = self._out[shift : self._end]
            self._start = max(0, self._start - shift)
            self._taken = self._end = WINDOW

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
        found = read_header(self._input, self._bit)
        if found is None:
            return None
        header, self._bit = found
        literal_lengths, distance_lengths = header.lengths()
        if not literal_lengths[END_OF_BLOCK]:
            raise FormatError("no code for end of block")
        self._use(literal_lengths, distance_lengths)
        return Block(DYNAMIC, final, header)

    @cython.cfunc
    def _use(self, literal_lengths: bytes, distance_lengths: bytes) -> cython.void:
        build_table(literal_lengths, LITERAL_INDEX, LITERAL_VALUES, self._literals)
        build_table(distance_lengths, DISTANCE_INDEX, DISTANCE_VALUES, self._distances)

    # -- tokens

    @cython.cfunc
    def _decode(self, most: cython.Py_ssize_t) -> cython.int:
        """Decode tokens of a Huffman block; return the index of the Status.

        Writes stay inside: before each token there is room for MAX_MATCH bytes, _OVERSHOOT more, and one token. Reads
        do, too: a distance is compared with the uncompressed data there is, the tables cover all indexes, and eight
        bytes are loaded at once only where there are eight. Bits of `acc` above `fill` are those of the input, or zero
        after its end; a token is committed only if all its bits were there. Literals that one look-up finds are taken
        one after another while there are enough bits, whatever stands behind them.
        """
        literal: cython.uint = LITERAL << 8
        link: cython.uint = LINK
        unused: cython.uint = UNUSED
        end_of_block: cython.uint = END
        literal_index: cython.uint = LITERAL_INDEX
        literal_mask: cython.uint = (1 << literal_index) - 1
        distance_index: cython.uint = DISTANCE_INDEX
        distance_mask: cython.uint = (1 << distance_index) - 1
        longest: cython.uint = MAX_MATCH
        marked: cython.uint = LONG_258
        all_bits: cython.ulonglong = _ALL_BITS
        several: cython.uint = 2 * LITERAL_INDEX  # bits of a literal that one look-up finds, and of the next one
        whole: cython.uint = 48  # bits of the longest token

        token_view: cython.uint[::1] = self._tokens
        literal_view: cython.uint[::1] = self._literals
        distance_view: cython.uint[::1] = self._distances
        # Pointers: for all that a compiler knows, a store through `out` changes a view.
        tokens: cython.p_uint = cython.address(token_view[0]) if cython.compiled else token_view
        literals: cython.p_uint = cython.address(literal_view[0]) if cython.compiled else literal_view
        distances: cython.p_uint = cython.address(distance_view[0]) if cython.compiled else distance_view
        data: cython.p_uchar = self._input
        size: cython.Py_ssize_t = len(self._input)
        out: cython.p_uchar = self._out
        end: cython.Py_ssize_t = self._end
        start: cython.Py_ssize_t = self._start
        full: cython.Py_ssize_t = WINDOW + SPAN
        count: cython.Py_ssize_t = self._count
        keeps: cython.bint = self._keeps

        at: cython.Py_ssize_t = self._bit >> 3
        acc: cython.ulonglong = 0
        fill: cython.uint = 0
        look: cython.ulonglong
        entry: cython.uint
        kind: cython.uint
        used: cython.uint
        length: cython.uint
        distance: cython.uint
        long_258: cython.uint
        stopped: cython.int = _MORE
        if at < size:
            fill = 8 - (self._bit & 7)
            acc = data[at] >> (8 - fill)
            at += 1
        with cython.nogil:
            while count < most and end <= full:
                if at + 8 <= size:
                    acc |= load64(data, at) << fill & all_bits
                    at += (63 - fill) >> 3
                    fill |= 56
                    entry = literals[acc & literal_mask]
                    while entry & literal and fill >= several and count + 1 < most:
                        acc >>= entry & 0xFF
                        fill -= entry & 0xFF
                        tokens[count] = out[end] = entry >> 16
                        count += 1
                        end += 1
                        entry = literals[acc & literal_mask]
                    if fill < whole or end > full:
                        continue
                else:
                    while fill < 56 and at < size:
                        acc |= cython.cast(cython.ulonglong, data[at]) << fill
                        at += 1
                        fill += 8
                    entry = literals[acc & literal_mask]
                if entry >> 8 & 0xFF == link:
                    entry = literals[(entry >> 16) + (acc >> literal_index & (1 << (entry & 0xFF)) - 1)]
                used = entry & 0xFF
                if entry & literal:
                    if used > fill:
                        stopped = _HUNGRY
                        break
                    acc >>= used
                    fill -= used
                    tokens[count] = entry >> 16
                    count += 1
                    out[end] = entry >> 16
                    end += 1
                    continue
                kind = entry >> 8 & 0xFF
                if kind >= end_of_block:
                    stopped = _UNUSED_LITERAL if kind == unused else _HUNGRY if used > fill else _DONE
                    if stopped == _DONE:
                        fill -= used
                    break
                look = acc >> used
                length = (entry >> 16) + (look & (1 << kind) - 1)
                long_258 = marked if length == longest and kind else 0
                look >>= kind
                used += kind
                entry = distances[look & distance_mask]
                if entry >> 8 & 0xFF == link:
                    entry = distances[(entry >> 16) + (look >> distance_index & (1 << (entry & 0xFF)) - 1)]
                kind = entry >> 8 & 0xFF
                if kind == unused:
                    stopped = _UNUSED_DISTANCE
                    break
                look >>= entry & 0xFF
                used += (entry & 0xFF) + kind
                if used > fill:
                    stopped = _HUNGRY
                    break
                distance = (entry >> 16) + (look & (1 << kind) - 1)
                if distance > end - start:
                    stopped = _TOO_FAR
                    break
                acc = look >> kind
                fill -= used
                tokens[count] = long_258 | length << 16 | distance
                count += 1
                if keeps:
                    _copy(out, end, distance, length)
                end += length
        if stopped > _DONE:
            raise FormatError(_DEFECTS[stopped])
        self._bit = 8 * at - fill
        self._end = end
        self._count = count
        return stopped


_STATUS = (Status.MORE, Status.HUNGRY, Status.DONE)
_DEFECTS = {
    _UNUSED_LITERAL: "literal or length code is not in use",
    _UNUSED_DISTANCE: "distance code is not in use",
    _TOO_FAR: "match reaches back before the beginning",
}


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _copy(
    out: cython.p_uchar, end: cython.Py_ssize_t, distance: cython.Py_ssize_t, length: cython.Py_ssize_t
) -> cython.void:
    """Repeat what is `distance` back, by words: up to _OVERSHOOT bytes more than `length` are written."""
    stop: cython.Py_ssize_t = end + length
    i: cython.Py_ssize_t
    if distance >= 8:
        while end < stop:
            store64(out, end, load64(out, end - distance))
            end += 8
    else:  # the first word is the period, or several; it is true wherever one begins
        for i in range(8):
            out[end + i] = out[end + i - distance]
        word: cython.ulonglong = load64(out, end)
        while end < stop:
            store64(out, end, word)
            end += 8 // distance * distance
