"""What a blob holds, uncompressed; its first bytes say how it is compressed.

gzip (RFC 1952: any number of members) or zstd (RFC 8878: any number of frames), ignoring trailing bytes that begin
none; or the bytes themselves (spec/FORMAT.md, Uncompressed data of a blob). Bounded: the caller limits the uncompressed
size, and zstd windows are 128 MiB at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from airpatch.blobs.content import BlobReader, pieces
from airpatch.deflate.decompressor import GZIP, DecompressionError, Decompressor, decompressor
from airpatch.deflate.gzip import FIXED_HEADER, may_begin_member
from airpatch.encoders.zstd_frame import begins_frame
from airpatch.errors import FormatError
from airpatch.format import zstd
from airpatch.layers.frames import frames_end

_GZIP_MAGIC = b"\x1f\x8b\x08"
_MOST = 1032
"""A byte of deflate becomes no more bytes than that; a size that says more is wrong."""
_INPUT, _PIECE = 32 << 10, 1 << 20
"""Bytes of input and output at a time. What follows a member is copied, and there are layers with one for each file."""


class Compression(Enum):
    """How a blob is compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


def compression(start: bytes) -> Compression:
    """Return how a blob that begins with `start` (4 bytes or all) is compressed."""
    if start.startswith(_GZIP_MAGIC):
        return Compression.GZIP
    return Compression.ZSTD if begins_frame(start) else Compression.NONE


def size_told(reader: BlobReader, size: int) -> int:
    """Return how many uncompressed bytes the blob of `size` bytes holds at least, as far as it says.

    The last member of gzip does (RFC 1952 2.3.1, ISIZE); streams of zstd seldom do, and count as they are.
    """
    start, end = bytearray(min(4, size)), bytearray(min(4, size))
    reader.read_into(memoryview(start), 0)
    reader.read_into(memoryview(end), size - len(end))
    told = int.from_bytes(end, "little") if compression(bytes(start)) is Compression.GZIP else 0
    return told if size < told <= size * _MOST else size


def extract(
    reader: BlobReader,
    size: int,
    take: Callable[[bytes], None],
    limit: int,
    advance: Callable[[int], None] = lambda _size: None,
) -> Compression:
    """Pass what the blob of `size` bytes holds to `take`, piece by piece; return how it was compressed.

    `advance` receives how many bytes of the blob are read, less than all where something follows the layer.
    Raises FormatError if it does not decompress, or to more than `limit` bytes.
    """
    kind, content = opened(reader, size, limit, advance)
    for piece in content:
        take(piece)
    return kind


def opened(
    reader: BlobReader, size: int, limit: int, advance: Callable[[int], None] = lambda _size: None
) -> tuple[Compression, Iterator[bytes]]:
    """Return how the blob of `size` bytes is compressed, and what it holds, piece by piece. Raises as `extract`, the
    latter where a piece is asked for.
    """
    start = bytearray(min(4, size))
    reader.read_into(memoryview(start), 0)
    kind = compression(bytes(start))
    blob = _counted(pieces(reader, frames_end(reader, size) if kind is Compression.ZSTD else size), advance)
    content = {Compression.GZIP: _gunzip, Compression.ZSTD: zstd.stream, Compression.NONE: _copy}[kind](blob)
    return kind, _limited(content, limit)


def _limited(content: Iterator[bytes], limit: int) -> Iterator[bytes]:
    taken = 0
    for piece in content:
        taken += len(piece)
        if taken > limit:
            raise FormatError(f"a layer with more than {limit} uncompressed bytes")
        yield piece


def _counted(blob: Iterator[memoryview], advance: Callable[[int], None]) -> Iterator[memoryview]:
    for piece in blob:
        yield piece
        advance(len(piece))


def _copy(blob: Iterator[memoryview]) -> Iterator[bytes]:
    return map(bytes, blob)


def _cut(blob: Iterator[memoryview]) -> Iterator[bytes]:
    return (bytes(piece[start : start + _INPUT]) for piece in blob for start in range(0, len(piece), _INPUT))


def _gunzip(blob: Iterator[memoryview]) -> Iterator[bytes]:
    member: Decompressor | None = None
    start = b""  # of a member or what follows one, as long as it is too short to tell whether it is another
    try:
        for piece in _cut(blob):
            data, start = start + piece, b""
            while data:
                if member is None or member.eof:
                    if len(data) < FIXED_HEADER:
                        start = data
                        break
                    if not may_begin_member(data[:FIXED_HEADER]):
                        if member is None:
                            raise FormatError("a gzip layer with reserved flags set")
                        return
                    member = decompressor(GZIP)
                yield member.decompress(data, _PIECE)
                data = member.unconsumed_tail or member.unused_data
    except DecompressionError:
        raise FormatError("a gzip layer that does not decompress") from None
    if member is None or not member.eof:
        raise FormatError("a gzip layer that is cut short")
