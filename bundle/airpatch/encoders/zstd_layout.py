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

    FRAME = 0  # a frame, or the last part of one that was flushed; size of its content
    FLUSHED = 1  # a part of a frame that the encoder was made to write before the frame goes on; size of its content
    BYTES = 2  # bytes of the rest; size of them
    PACKED = 3  # a skippable frame of one frame; size of its content, which is of the rest


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


def build(encoder: FrameEncoder, layout: Read, content: Read, rest: Read) -> Iterator[bytes]:
    """Yield the file with that layout. Raises FormatError if the layout is malformed, or a stream ends too early."""
    goes_on = False
    while data := b"".join(_take(layout, PART_SIZE, may_end=True)):
        part = _parse_part(data)
        if goes_on and part.kind not in (BlockKind.FRAME, BlockKind.FLUSHED):
            raise FormatError("a layout with a frame that does not end")
        size = 0
        for piece in _part(encoder, part, goes_on, content, rest):
            size += len(piece)
            yield piece
        if not size:  # else there could be any number of them
            raise FormatError("a layout with a part of no bytes")
        goes_on = part.kind is BlockKind.FLUSHED
    if goes_on:
        raise FormatError("a layout with a frame that does not end")


def _part(encoder: FrameEncoder, part: LayoutPart, goes_on: bool, content: Read, rest: Read) -> Iterator[bytes]:
    """Yield a part of the file; `goes_on` says that it continues the frame of the part before it."""
    match part.kind:
        case BlockKind.FRAME | BlockKind.FLUSHED:
            if not goes_on:
                encoder.begin(part.size)
            for piece in _take(content, part.size):
                yield encoder.feed(piece)
            yield encoder.flush() if part.kind is BlockKind.FLUSHED else encoder.finish()
        case BlockKind.BYTES:
            yield from _take(rest, part.size)
        case BlockKind.PACKED:
            encoder.begin(part.size)
            packed = b"".join(map(encoder.feed, _take(rest, part.size))) + encoder.finish()
            if len(packed) >> 32:
                raise FormatError("a layout with a skippable frame that is too large")
            yield (SKIPPABLE_MAGIC + part.magic).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
            yield packed


def _take(read: Read, size: int, may_end: bool = False) -> Iterator[bytes]:
    """Yield `size` bytes; none, if `may_end` and there are none."""
    whole = size
    while size:
        piece = read(min(size, _PIECE))
        if not piece:
            if may_end and size == whole:
                return
            raise FormatError("a layout that asks for more bytes than there are")
        size -= len(piece)
        yield piece
