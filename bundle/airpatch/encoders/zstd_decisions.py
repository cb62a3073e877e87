"""Zstd files as decisions: all that an encoder chose, so that the file follows from these and its content.

`parse` and `emit` are inverse. The columns are described in spec/ENCODERS.md, Decisions. Nothing is trusted: whatever
is read, it ends in bytes or in FormatError, and memory is bounded by a few blocks.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from xxhash import xxh64

from airpatch.encoders.kzstd_sequences import MAX_BLOCK
from airpatch.encoders.zstd_alignment import Alignment
from airpatch.encoders.zstd_columns import ColumnReader, ColumnWriter
from airpatch.encoders.zstd_frame import MAGIC, SKIPPABLE_MAGIC
from airpatch.encoders.zstd_read_blocks import BlockReader
from airpatch.encoders.zstd_write_blocks import ShapedBlocks
from airpatch.errors import FormatError

Read = Callable[[int], bytes]
"""Returns up to so many bytes, none at the end."""

_RAW, _RUN, _COMPRESSED, _RESERVED = range(4)
"""Types of blocks."""
_LAST = 4
_FRAME, _BYTES = 3, 7
"""Tags that are no block's: a frame's header, and bytes between frames."""
_PIECE = 1 << 20
_CHECKSUM = 4
_MAX_COVERS = 1 << 22
"""More are not looked at; they take 32 bytes each."""


@dataclass(frozen=True, slots=True)
class ParsedPiece:
    """What a piece of a zstd file adds to each column, and to the matches by which others are aligned with it."""

    layout: bytes
    runs: bytes = b""
    hits: bytes = b""
    offsets: bytes = b""
    matches: bytes = b""


class Covers:
    """Bytes target[t : t + length] that are source[s : s + length], as (t, s, length), in the target's order."""

    def __init__(self) -> None:
        self.targets = array("q")
        self.sources = array("q")
        self.lengths = array("q")

    def add(self, covers: Iterable[tuple[int, int, int]], begin: int, end: int) -> None:
        """Add covers whose source positions lie in begin..end, counted from there; those that go on are joined."""
        targets, sources, lengths = self.targets, self.sources, self.lengths
        for target, position, length in covers:
            source = position - begin
            if not length or not begin <= position <= end - length:
                continue
            if targets and targets[-1] + lengths[-1] == target and sources[-1] + lengths[-1] == source:
                lengths[-1] += length
            elif len(targets) < _MAX_COVERS:
                targets.append(target)
                sources.append(source)
                lengths.append(length)

    def alignment(self, matches: bytes | memoryview) -> Alignment:
        """Return what foretells the target's offsets by the source's `matches`."""
        return Alignment(self.targets, self.sources, self.lengths, matches)


def parse(
    read: Read, limit: int, alignment: Alignment | None = None, uncompressed: Read | None = None
) -> Iterator[ParsedPiece]:
    """Yield the decisions of a zstd file. Without its `uncompressed` content, `hits` and `offsets` stay empty.

    Raises FormatError if it has none, or more than `limit` bytes of content.
    """
    blocks = BlockReader()
    columns = ColumnWriter(alignment)
    begun = False
    while magic := _up_to(read, len(MAGIC)):
        number = int.from_bytes(magic, "little")
        if number & ~15 == SKIPPABLE_MAGIC:
            size = exactly(read, 4)
            yield ParsedPiece(bytes((_BYTES,)) + _number(8) + magic + size)
            for piece in take(read, int.from_bytes(size, "little")):
                yield ParsedPiece(bytes((_BYTES,)) + _number(len(piece)) + piece)
        elif magic == MAGIC:
            for part, size_of in _parse_frame(read, blocks, columns, uncompressed):
                limit -= size_of
                if limit < 0:
                    raise FormatError("zstd: more uncompressed bytes than there may be")
                yield part
        elif begun:  # it is no frame, and decoders may ignore it
            for piece in chain([magic], iter(lambda: read(_PIECE), b"")):
                yield ParsedPiece(bytes((_BYTES,)) + _number(len(piece)) + piece)
        else:
            raise FormatError("zstd: something else where a frame belongs")
        begun = True


def _parse_frame(
    read: Read, blocks: BlockReader, columns: ColumnWriter, uncompressed: Read | None
) -> Iterator[tuple[ParsedPiece, int]]:
    """Yield the parts of a frame after its magic, and how much content each stands for."""
    blocks.reset()
    columns.reset()
    descriptor = exactly(read, 1)
    header = descriptor + exactly(read, _header_size(descriptor[0]))
    yield ParsedPiece(bytes((_FRAME, len(header))) + header), 0
    last = False
    while not last:
        word = int.from_bytes(exactly(read, 3), "little")
        last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        tag = bytes((kind | (_LAST if last else 0),))
        if kind == _RESERVED or (kind != _RUN and size > MAX_BLOCK):
            raise FormatError("zstd: a block of a reserved type, or one that is too large")
        if kind == _COMPRESSED:
            content, shape = blocks.read(exactly(read, size))
            data = None if uncompressed is None else exactly(uncompressed, content)
            yield ParsedPiece(tag + _number(content) + shape, *columns.block(blocks.found, data)), content
        else:
            if kind == _RUN and (not size or size > MAX_BLOCK):
                raise FormatError("zstd: a run of no bytes, or of too many")
            exactly(read, 1 if kind == _RUN else size)
            columns.skip(size)
            if uncompressed is not None:
                exactly(uncompressed, size)
            yield ParsedPiece(tag + _number(size)), size
    if descriptor[0] & 4:
        exactly(read, _CHECKSUM)


def emit(
    layout: Read, uncompressed: Read, runs: Read, hits: Read, offsets: Read, alignment: Alignment | None = None
) -> Iterator[bytes]:
    """Yield the zstd file that has these decisions. Raises FormatError if they are malformed, or not used up."""
    blocks = ShapedBlocks()
    columns = ColumnReader(runs, hits, offsets, alignment)
    while tag := layout(1):
        if tag[0] == _FRAME:
            yield from _emit_frame(layout, uncompressed, blocks, columns)
        elif tag[0] == _BYTES:
            size = _read_number(layout)
            if not size:
                raise FormatError("zstd: no bytes between frames")
            yield from take(layout, size)
        else:
            raise FormatError("zstd: a block outside a frame, or an unknown tag")
    columns.close()


def _emit_frame(layout: Read, uncompressed: Read, blocks: ShapedBlocks, columns: ColumnReader) -> Iterator[bytes]:
    blocks.reset()
    columns.reset()
    header = exactly(layout, exactly(layout, 1)[0])
    if not header or len(header) != 1 + _header_size(header[0]):
        raise FormatError("zstd: a header of the wrong size")
    yield MAGIC + header
    checksum = xxh64()
    last = False
    while not last:
        tag = exactly(layout, 1)[0]
        kind, last = tag & 3, bool(tag & _LAST)
        size = _read_number(layout)
        if tag & ~7 or kind == _RESERVED or size > MAX_BLOCK:
            raise FormatError("zstd: an unknown tag, or a block that is too large")
        content = exactly(uncompressed, size)
        checksum.update(content)
        if kind == _COMPRESSED:
            columns.block(blocks.found, content)
            body = blocks.block(layout)
            size = len(body)
        else:
            columns.skip(size)
            if kind == _RUN and not size:
                raise FormatError("zstd: a run of no bytes")
            body = content[:1] if kind == _RUN else content
        yield (last | kind << 1 | size << 3).to_bytes(3, "little") + body
    if header[0] & 4:
        yield checksum.intdigest().to_bytes(8, "little")[:_CHECKSUM]


def _header_size(descriptor: int) -> int:
    """Return how many bytes follow the descriptor in a frame's header."""
    single = descriptor >> 5 & 1
    return (1 - single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]


def _number(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_number(read: Read) -> int:
    number = 0
    for shift in range(0, 28, 7):
        byte = exactly(read, 1)[0]
        number |= (byte & 127) << shift
        if byte < 128:
            return number
    raise FormatError("zstd: a number that is too large")


def _up_to(read: Read, size: int) -> bytes:
    """Return the next `size` bytes, or as many as there are."""
    data = b""
    while len(data) < size and (piece := read(size - len(data))):
        data += piece
    return data


def exactly(read: Read, size: int) -> bytes:
    """Return the next `size` bytes. Raises FormatError if there are fewer."""
    return b"".join(take(read, size))


def take(read: Read, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes. Raises FormatError if there are fewer."""
    while size:
        piece = read(min(size, _PIECE))
        if not piece:
            raise FormatError("zstd: fewer bytes than are asked for")
        size -= len(piece)
        yield piece
