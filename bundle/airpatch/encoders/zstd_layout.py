"""The layout of a zstd file: which frames it has, and what stands between them (spec/ENCODERS.md, Layouts).

A file of many frames, as zstd:chunked makes them, is a list of parts. Frames are made of uncompressed data by an
encoder; everything else comes out of another stream of bytes, the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from airpatch.encoders.zstd_frame import SKIPPABLE_MAGIC
from airpatch.encoders.zstd_replicas import FrameEncoder
from airpatch.errors import FormatError

PART_SIZE = 10
"""Bytes of a part."""
_PIECE = 1 << 20

Read = Callable[[int], bytes]
"""Returns up to so many bytes, none at the end."""


class BlockKind(IntEnum):
    """What a part is; its size is in bytes."""

    FRAME = 0  # a frame; size of its uncompressed data
    FLUSHED = 1  # the same, flushed before it ends
    BYTES = 2  # bytes of the rest; size of them
    PACKED = 3  # a skippable frame of one frame; size of its uncompressed data, which is of the rest


@dataclass(frozen=True, slots=True)
class LayoutPart:
    """A part of a zstd file. `magic` is 0 to 15, which skippable frame it is."""

    kind: BlockKind
    size: int
    magic: int = 0


def emit_part(part: LayoutPart) -> bytes:
    """Return the bytes of a part: its kind, its magic, its size."""
    return bytes((part.kind, part.magic)) + part.size.to_bytes(8, "little")


def _parse_part(data: bytes) -> LayoutPart:
    if len(data) != PART_SIZE or data[0] not in list(BlockKind) or data[1] > 15:
        raise FormatError("a layout with something else where a part belongs")
    return LayoutPart(BlockKind(data[0]), int.from_bytes(data[2:], "little"), data[1])


def build(encoder: FrameEncoder, layout: Read, uncompressed: Read, rest: Read) -> Iterator[bytes]:
    """Yield the file with that layout. Raises FormatError if the layout is malformed, or a stream ends too early."""
    while data := b"".join(_take(layout, PART_SIZE, may_end=True)):
        size = 0
        for piece in _part(encoder, _parse_part(data), uncompressed, rest):
            size += len(piece)
            yield piece
        if not size:  # else there could be any number of them
            raise FormatError("a layout with a part of no bytes")


def _part(encoder: FrameEncoder, part: LayoutPart, uncompressed: Read, rest: Read) -> Iterator[bytes]:
    match part.kind:
        case BlockKind.FRAME | BlockKind.FLUSHED:
            yield from _frame(encoder, uncompressed, part.size, part.kind is BlockKind.FLUSHED)
        case BlockKind.BYTES:
            yield from _take(rest, part.size)
        case BlockKind.PACKED:
            packed = b"".join(_frame(encoder, rest, part.size))
            if len(packed) >> 32:
                raise FormatError("a layout with a skippable frame that is too large")
            yield (SKIPPABLE_MAGIC + part.magic).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
            yield packed


def _frame(encoder: FrameEncoder, uncompressed: Read, size: int, flushed: bool = False) -> Iterator[bytes]:
    """Yield the frame of `size` bytes of uncompressed data."""
    encoder.begin(size)
    for piece in _take(uncompressed, size):
        yield encoder.feed(piece)
    if flushed:
        yield encoder.flush()
    yield encoder.finish()


def _take(read: Read, size: int, may_end: bool = False) -> Iterator[bytes]:
    """Yield `size` bytes, or none if there are none and that `may_end` it."""
    whole = size
    while size:
        piece = read(min(size, _PIECE))
        if not piece:
            if may_end and size == whole:
                return
            raise FormatError("a layout that asks for more bytes than there are")
        size -= len(piece)
        yield piece
