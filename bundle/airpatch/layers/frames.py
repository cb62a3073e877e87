"""Takes a zstd blob apart into its layout and what stands beside its frames (spec/ENCODERS.md, Layouts)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise

from airpatch.blobs.content import PIECE, BlobReader
from airpatch.encoders.zstd_frame import MAGIC_SIZE, FrameExtent, begins_frame, block_ends, find_frame
from airpatch.encoders.zstd_layout import BlockKind, LayoutPart
from airpatch.encoders.zstd_toc import MAX_PACKED, MAX_TEXT, FrameOffsets
from airpatch.errors import FormatError
from airpatch.format import zstd
from airpatch.layers.blob_slices import BlobSlices

_SKIPPABLE_HEADER = 8


def split(reader: BlobReader, size: int, limit: int, block: int | None) -> Iterator[tuple[LayoutPart, bytes]]:
    """Yield the parts of a zstd blob of `size` bytes, each with what it has of the rest.

    `block` is how many bytes of content a full block has, if the encoder fills its blocks: one that ends earlier was
    flushed. Raises FormatError if it is not a zstd file, or has more than `limit` uncompressed bytes.
    """
    blob = BlobSlices(reader, size)
    begins = array("Q")
    end = 0
    for frame in _frames(blob):
        if frame.skippable is not None:
            yield from _skippable(reader, blob, frame, block, begins)
        else:
            begins.append(frame.begin)
            for part in _frame(reader, blob, frame, limit, block):
                limit -= part.size
                yield part, b""
        end = frame.end
    if not end:
        raise FormatError("a layer that begins with no zstd frame")
    yield from _bytes(reader, end, size)


def frames_end(reader: BlobReader, size: int) -> int:
    """Return where the last frame of a zstd blob of `size` bytes ends: what follows and begins none is no content.

    Raises FormatError if a frame is cut short or damaged.
    """
    end = 0
    for frame in _frames(BlobSlices(reader, size)):
        end = frame.end
    return end


def _frames(blob: BlobSlices) -> Iterator[FrameExtent]:
    """Yield the frames of a zstd blob up to where none begins. Raises FormatError as `frames_end` does."""
    at = 0
    while begins_frame(blob[at : at + MAGIC_SIZE]):
        try:
            frame = find_frame(blob, at)
        except FormatError:
            raise FormatError("a zstd layer that does not decompress") from None
        if frame is None:
            raise FormatError("a zstd layer that is cut short")
        yield frame
        at = frame.end


def _frame(
    reader: BlobReader, blob: BlobSlices, frame: FrameExtent, limit: int, block: int | None
) -> Iterator[LayoutPart]:
    """Yield what of a frame was flushed, part by part, and what is left of it."""
    size = 0
    if block is None:
        size = sum(map(len, _uncompressed(reader, frame.begin, frame.end, limit)))
        if frame.ends_empty:
            yield LayoutPart(BlockKind.FLUSHED, size)
            size = 0
    else:
        ends = list(block_ends(blob, frame.begin))
        pieces = (blob[begin:end] for begin, end in pairwise((frame.begin, *ends)))
        for end, content in zip(ends, map(len, zstd.each_block(pieces)), strict=True):
            limit -= content
            if limit < 0:
                raise FormatError("a zstd layer with more uncompressed bytes than it may have")
            size += content
            if content != block and end != ends[-1]:
                yield LayoutPart(BlockKind.FLUSHED, size)
                size = 0
    yield LayoutPart(BlockKind.FRAME, size)


def _bytes(reader: BlobReader, begin: int, end: int) -> Iterator[tuple[LayoutPart, bytes]]:
    for piece in _pieces(reader, begin, end):
        yield LayoutPart(BlockKind.BYTES, len(piece)), bytes(piece)


def _skippable(
    reader: BlobReader, blob: BlobSlices, frame: FrameExtent, block: int | None, begins: array[int]
) -> Iterator[tuple[LayoutPart, bytes]]:
    """Yield a skippable frame: what is packed in it, if it is one frame, else all of it."""
    begin = frame.begin + _SKIPPABLE_HEADER
    try:
        inner = find_frame(blob, begin)
        if inner is None or inner.skippable is not None or inner.end != frame.end or frame.end - begin > MAX_PACKED:
            raise FormatError("not one frame")
        text = b"".join(_uncompressed(reader, begin, frame.end, MAX_TEXT))
        parts = list(_frame(reader, blob, inner, MAX_TEXT, block))
    except FormatError:
        yield from _bytes(reader, frame.begin, frame.end)
        return
    yield LayoutPart(BlockKind.PACKED, 0, frame.skippable or 0), b""
    offsets = FrameOffsets(begins)
    at = 0
    for part in parts:
        short = offsets.shorten(text[at : at + part.size])
        at += part.size
        yield LayoutPart(part.kind, len(short)), short


def _uncompressed(reader: BlobReader, begin: int, end: int, limit: int) -> Iterator[bytes]:
    for piece in zstd.stream(_pieces(reader, begin, end)):
        limit -= len(piece)
        if limit < 0:
            raise FormatError("a zstd layer with more uncompressed bytes than it may have")
        yield piece


def _pieces(reader: BlobReader, begin: int, end: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(PIECE, end - begin)))
    for at in range(begin, end, PIECE):
        view = buffer[: min(PIECE, end - at)]
        reader.read_into(view, at)
        yield view
