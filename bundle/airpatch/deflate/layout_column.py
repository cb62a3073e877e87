"""The layout column: gzip framing, blocks and their codes as records (spec/DEFLATE.md, layout: records).

`write_*` make records, `LayoutReader` reads them. A block is described in pieces of at most PIECE tokens, because
the code of a block may be computed from its first piece, and both sides must hold that piece to do so.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from airpatch.deflate.header import RUN_REPEATS, RUN_VALUES, DynamicHeader, go_dynamic, go_header, zlib_dynamic
from airpatch.deflate.huffman import go_lengths
from airpatch.deflate.tables import (
    CODE_LENGTH_ORDER,
    CODE_LENGTH_SYMBOLS,
    DISTANCES,
    DYNAMIC,
    LITERALS,
    MAX_BITS,
    MAX_CODE_LENGTH_BITS,
    MAX_STORED,
    STORED,
)
from airpatch.errors import FormatError

PIECE = 1 << 16  # most tokens in a piece
HEADER_LIMIT = 1 << 20  # bytes of a gzip header
TAIL_PIECE = 1 << 16  # bytes of a tail that one record holds; all records but the last are full

# A tag byte: kind in bits 0 and 1 (BTYPE, or OTHER), flags above.
OTHER = 3
FINAL = 0x04  # last block of its stream
MORE = 0x08  # further pieces follow
LONG = 0x10  # some matches of length 258 have the long spelling
PADDED = 0x10  # of a stored block or trailer: the padding bits are not zero
CODE_SHIFT = 5  # of a dynamic block: its Code
# Records that are no blocks: the tag without the flags of this record.
PIECE_TAG, MEMBER_TAG, TRAILER_TAG, TAIL_TAG = 0x03, 0x23, 0x43, 0x63
CRC_DIFFERS, SIZE_DIFFERS = 0x04, 0x08  # of a trailer: the value is written


class Code(IntEnum):
    """How the code of a dynamic block follows from the symbol counts of its first piece."""

    EXPLICIT = 0  # it does not: the header is written
    ZLIB = 1
    GO = 2
    GO_WIDE = 3  # Go's, but all 286 + 30 lengths are sent (klauspost/compress 1.15 to 1.18.1)
    GO_FILLED = 4  # Go's over counts of at least one for each symbol (klauspost/compress 1.11 to 1.13)


def compute_header(code: Code, literal_counts: array[int], distance_counts: array[int]) -> DynamicHeader:
    """Return the header that an encoder of this kind writes for these symbol counts."""
    if code is Code.ZLIB:
        return zlib_dynamic(literal_counts, distance_counts)
    if code is Code.GO:
        return go_dynamic(literal_counts, distance_counts)
    if code is Code.GO_FILLED:
        literal_counts = array("I", [max(1, count) for count in literal_counts])
        distance_counts = array("I", [max(1, count) for count in distance_counts])
    return go_header(go_lengths(literal_counts, MAX_BITS), go_lengths(distance_counts, MAX_BITS), trim=False)


@dataclass(frozen=True, slots=True)
class MemberStart:
    """A gzip member begins with these bytes (RFC 1952 2.3)."""

    header: bytes


@dataclass(frozen=True, slots=True)
class Trailer:
    """A gzip member ends. `padding` fills its last byte; `crc` and `size` are None if they are right."""

    padding: int
    crc: int | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Tail:
    """Bytes after the last member, or the next TAIL_PIECE of them."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BlockPiece:
    """A stored block, or the first or a further piece of another one.

    `kind` is BTYPE, or OTHER for a further piece. `count` tokens, or bytes of a stored block; of the tokens,
    those at the indexes `long` are matches of length 258 in the long spelling. `code` and `header` matter for
    dynamic blocks: `header` is set if and only if `code` is EXPLICIT.
    """

    kind: int
    count: int
    final: bool = False
    more: bool = False
    padding: int = 0
    long: Sequence[int] = ()
    code: Code = Code.EXPLICIT
    header: DynamicHeader | None = None


Record = MemberStart | Trailer | Tail | BlockPiece


def write_record(record: Record) -> bytes:
    """Return a record's bytes."""
    if isinstance(record, MemberStart):
        return bytes([MEMBER_TAG]) + _counted(record.header)
    if isinstance(record, Tail):
        return bytes([TAIL_TAG]) + _counted(record.data)
    if isinstance(record, Trailer):
        out = bytearray([TRAILER_TAG])
        if record.padding:
            out[0] |= PADDED
            out.append(record.padding)
        if record.crc is not None:
            out[0] |= CRC_DIFFERS
            out += record.crc.to_bytes(4, "little")
        if record.size is not None:
            out[0] |= SIZE_DIFFERS
            out += record.size.to_bytes(4, "little")
        return bytes(out)
    return _write_piece(record)


def _write_piece(piece: BlockPiece) -> bytes:
    out = bytearray([piece.kind])
    out += _varint(piece.count)
    if piece.final:
        out[0] |= FINAL
    if piece.more:
        out[0] |= MORE
    if piece.kind == STORED and piece.padding:
        out[0] |= PADDED
        out.append(piece.padding)
    if piece.long:
        out[0] |= LONG
        out += _varint(len(piece.long))
        previous = 0
        for index in piece.long:
            out += _varint(index - previous)
            previous = index
    if piece.kind == DYNAMIC:
        out[0] |= piece.code << CODE_SHIFT
        if piece.header is not None:
            header = piece.header
            out += bytes([header.literal_count - 257, header.distance_count - 1, header.run_length_count - 4])
            out += header.run_lengths + header.runs
    return bytes(out)


def _varint(value: int) -> bytes:
    """LEB128: seven bits a byte, low ones first, the top bit set in all bytes but the last."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _counted(data: bytes) -> bytes:
    return _varint(len(data)) + data


class LayoutReader:
    """Reads records from `read`, a function that returns up to so many bytes, none only at the end."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = b""
        self._at = 0

    def record(self) -> Record | None:
        """Return the next record; None at the end. Raises FormatError if it is malformed."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._read(1 << 16), 0
            if not self._buffer:
                return None
        tag = self._byte()
        if tag & 3 != OTHER or tag & 0xE3 == PIECE_TAG:
            return self._piece(tag)
        if tag == MEMBER_TAG:
            return MemberStart(self._counted(HEADER_LIMIT))
        if tag == TAIL_TAG:
            tail = Tail(self._counted(TAIL_PIECE))
            if not tail.data:
                raise FormatError("record of the layout of a deflate stream without effect")
            return tail
        if tag & 0xE3 == TRAILER_TAG:
            padding = self._byte() if tag & PADDED else 0
            crc = int.from_bytes(self._bytes(4), "little") if tag & CRC_DIFFERS else None
            size = int.from_bytes(self._bytes(4), "little") if tag & SIZE_DIFFERS else None
            return Trailer(padding, crc, size)
        raise FormatError(f"unknown record {tag:#x} in the layout of a deflate stream")

    def _piece(self, tag: int) -> BlockPiece:
        kind = tag & 3
        count = self._varint()
        if count > (MAX_STORED if kind == STORED else PIECE):
            raise FormatError("deflate block with too many tokens in a piece")
        final, more = bool(tag & FINAL), bool(tag & MORE)
        if (kind == OTHER and final) or (kind == STORED and more) or (kind < DYNAMIC and tag >> CODE_SHIFT):
            raise FormatError("flags that do not apply to this kind of deflate block")
        if more and not count:  # any number of such pieces would make nothing
            raise FormatError("deflate block in pieces, one of them without tokens")
        if kind == STORED:
            return BlockPiece(kind, count, final, padding=self._byte() if tag & PADDED else 0)
        long = []
        if tag & LONG:
            index = 0
            matches = self._varint()
            if matches > count:
                raise FormatError("more long matches than tokens in a piece")
            for _ in range(matches):
                index += self._varint()
                if index >= count:
                    raise FormatError("long match after the end of its piece")
                long.append(index)
        if kind != DYNAMIC:
            return BlockPiece(kind, count, final, more, long=long)
        try:
            code = Code(tag >> CODE_SHIFT)
        except ValueError:
            raise FormatError("unknown way to compute a Huffman code") from None
        header = self._header() if code is Code.EXPLICIT else None
        return BlockPiece(kind, count, final, more, long=long, code=code, header=header)

    def _header(self) -> DynamicHeader:
        literal_count = self._byte() + 257
        distance_count = self._byte() + 1
        run_length_count = self._byte() + 4
        run_lengths = self._bytes(CODE_LENGTH_SYMBOLS)
        if literal_count > LITERALS or distance_count > DISTANCES or run_length_count > CODE_LENGTH_SYMBOLS:
            raise FormatError("more code lengths than symbols")
        if max(run_lengths) > MAX_CODE_LENGTH_BITS:
            raise FormatError("code length over its limit")
        if any(run_lengths[symbol] for symbol in CODE_LENGTH_ORDER[run_length_count:]):
            raise FormatError("code length that is not sent")
        runs = bytearray()
        wanted = literal_count + distance_count
        while wanted > 0:
            run = self._byte()
            if run >= RUN_VALUES:
                raise FormatError("malformed run of code lengths")
            runs.append(run)
            wanted -= RUN_REPEATS[run]
        return DynamicHeader(literal_count, distance_count, run_length_count, run_lengths, bytes(runs))

    def _byte(self) -> int:
        if self._at == len(self._buffer):
            self._buffer, self._at = self._read(1 << 16), 0
            if not self._buffer:
                raise FormatError("layout of a deflate stream ends within a record")
        self._at += 1
        return self._buffer[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        return bytes([self._byte() for _ in range(size)])

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise FormatError("number over 35 bits in the layout of a deflate stream")

    def _counted(self, limit: int) -> bytes:
        size = self._varint()
        if size > limit:
            raise FormatError(f"more than {limit} bytes in a record of the layout of a deflate stream")
        return self._bytes(size)
