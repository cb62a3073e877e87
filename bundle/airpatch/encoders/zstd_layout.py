"""The layout of a zstd file: which frames it has, and what stands between them (spec/ENCODERS.md, Layouts).

A file of many frames, as zstd:chunked makes them, is a list of parts. Frames are made of uncompressed data by an
encoder; everything else comes out of another stream of bytes, the rest.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from airpatch.encoders.layout_streams import Read, exactly, take
from airpatch.encoders.spending import UNBOUNDED, Spend
from airpatch.encoders.zstd_frame import SKIPPABLE_MAGIC
from airpatch.encoders.zstd_toc import MAX_PACKED, MAX_TEXT, FrameOffsets
from airpatch.errors import FormatError

if TYPE_CHECKING:
    from airpatch.encoders.zstd_replicas import FrameEncoder

PART_SIZE = 10
"""Bytes of a part."""
_SKIPPABLE_HEADER = 8
_PART = 1 << 15
"""Steps in the time that a part takes, even an empty one."""


class BlockKind(IntEnum):
    """What a part is; its size is in bytes."""

    FRAME = 0  # a frame, or the last part of one that was flushed; size of its content
    FLUSHED = 1  # a part of a frame that the encoder was made to write before the frame goes on; size of its content
    BYTES = 2  # bytes of the rest; size of them
    PACKED = 3  # a skippable frame of the frame that follows, whose content is of the rest; 0


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
    size = int.from_bytes(data[2:], "little")
    if len(data) == PART_SIZE and data[0] in list(BlockKind) and data[1] <= 15:
        part = LayoutPart(BlockKind(data[0]), size, data[1])
        if part.kind is not BlockKind.PACKED or not size:
            return part
    raise FormatError("a layout with something else where a part belongs")


def build(
    encoder: FrameEncoder, layout: Read, content: Read, rest: Read, search: Spend = UNBOUNDED.search
) -> Iterator[bytes]:
    """Yield the file with that layout; `search` receives the steps that its parts take besides their content.

    Raises FormatError if the layout is malformed, or a stream ends too early.
    """
    begins = array("Q")
    position = 0
    magic: int | None = None  # of the skippable frame that the parts at hand are packed in
    goes_on = False  # whether the next part is of the same frame
    packed = bytearray()
    while data := exactly(layout, PART_SIZE, may_end=True):
        part = _parse_part(data)
        search(_PART)
        is_frame = part.kind in (BlockKind.FRAME, BlockKind.FLUSHED)
        if not is_frame and (goes_on or magic is not None):
            raise FormatError("a layout with a frame that does not end")
        if part.kind is BlockKind.PACKED:
            magic, offsets = part.magic, FrameOffsets(begins)
            packed.clear()
            continue
        if magic is not None:
            if part.size > MAX_TEXT:
                raise FormatError(f"a layout with more than {MAX_TEXT} bytes in a skippable frame")
            text = offsets.restore(exactly(rest, part.size))
            pieces = _frame(encoder, part.kind, goes_on, len(text), [text])
        elif is_frame:
            if not goes_on:
                begins.append(position)
            pieces = _frame(encoder, part.kind, goes_on, part.size, take(content, part.size))
        else:
            pieces = take(rest, part.size)
        size = 0
        for piece in pieces:
            size += len(piece)
            if magic is None:
                yield piece
            else:
                packed += piece
                if len(packed) > MAX_PACKED:
                    raise FormatError(f"a layout with a skippable frame of more than {MAX_PACKED} bytes")
        if not size:  # else there could be any number of them
            raise FormatError("a layout with a part of no bytes")
        position += size
        goes_on = part.kind is BlockKind.FLUSHED
        if magic is not None and not goes_on:
            yield _skippable_header(magic, len(packed))
            yield bytes(packed)
            position += _SKIPPABLE_HEADER
            magic = None
    if goes_on or magic is not None:
        raise FormatError("a layout with a frame that does not end")


def _frame(
    encoder: FrameEncoder, kind: BlockKind, goes_on: bool, size: int, content: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield a frame of `size` bytes, or a part of one; `goes_on` says that it continues the part before it."""
    if not goes_on:
        encoder.begin(size)
    for piece in content:
        yield encoder.feed(piece)
    yield encoder.flush() if kind is BlockKind.FLUSHED else encoder.finish()


def _skippable_header(magic: int, size: int) -> bytes:
    return (SKIPPABLE_MAGIC + magic).to_bytes(4, "little") + size.to_bytes(4, "little")
