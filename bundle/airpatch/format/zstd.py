"""The only user of zstandard: the profile of RFC 8878 frames that a bundle is made of, and its seek table.

Every frame holds its content size and checksum, needs no dictionary and a window of 8 MiB at most. A frame is
either compressed by libzstd or made of raw blocks, which costs 3 bytes for each 128 KiB and no time. The seek
table follows zstd's `contrib/seekable_format` (spec/FORMAT.md, Seek table). python-zstandard returns short data for
some damaged frames without an error, so `decompress` demands the whole frame, its exact size and nothing after it.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, cast

import xxhash
import zstandard

from airpatch.errors import FormatError
from airpatch.piece_reader import PieceReader

Buffer = bytes | bytearray | memoryview

MAGIC = 0xFD2FB528
SKIPPABLE_MAGIC = 0x184D2A5E
SEEKABLE_MAGIC = 0x8F92EAB1
MAX_WINDOW = 8 << 20
"""Bytes; what RFC 8878 3.1.1.1.2 recommends every decoder to support."""
BLOCK = 128 << 10
"""Bytes of content in a block at most (RFC 8878 3.1.1.2)."""

MAX_FRAMES = 1 << 20
"""Frames of a bundle: 8 TiB in full ones. A seek table over the limit is not read into memory."""

FOREIGN_WINDOW = 128 << 20
"""Bytes; what `zstd --long` uses and decompresses without being asked."""
_FOREIGN_PIECE = 1 << 20
_DOES_NOT_DECOMPRESS = "zstd data that does not decompress, or needs a window of more than 128 MiB"
FOOTER = 9
"""Bytes: number of frames (4), descriptor (1), magic (4)."""
ENTRY = 12
"""Bytes: compressed size, content size, checksum (4 each)."""
_SKIPPABLE_HEADER = 8
_RAW_HEADER = 9
_BEGINNING = 512  # a header of tar; all of a frame could be gigabytes
_BLOCK_HEADER = 3
_CHECKSUM = 4
_CHECKSUMS_PRESENT = 0x80
_RAW_DESCRIPTOR = 0b10_1_00_1_00
"""Content size in 4 bytes, single segment, checksum, no dictionary (RFC 8878 3.1.1.1.1)."""

# Level 3 with long distance matching over the whole frame: for layers nearly as small as level 9 without it, at
# four times its speed (7.5 MB of Redis: 1.82 and 1.67 MB; level 3 alone in frames of 4 MiB: 2.40 MB).
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    3, enable_ldm=True, window_log=MAX_WINDOW.bit_length() - 1, write_checksum=True, write_content_size=True
)
# For content that is compressed already: at 5 GB/s it finds what a layer has twice, 0.15 % of gzip layers of 367 MB.
_FAST_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(-1, write_checksum=True, write_content_size=True)
_WORTHWHILE = 1 << 10
"""A frame of dense content is compressed if that saves more than this part of it."""
_PROBE = 2 << 20
"""Bytes of dense content that are tried first."""
_DAMAGED = "a damaged zstd frame: its content does not decompress or has another checksum"
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Frame:
    """An entry of the seek table: bytes in the file, bytes of content, low 32 bits of the content's XXH64."""

    compressed: int
    content: int
    checksum: int


def checksum(content: Buffer) -> int:
    """Return the low 32 bits of XXH64, seed 0, which both frames and the seek table use."""
    return xxhash.xxh64_intdigest(content) & 0xFFFFFFFF


def compress(content: Buffer) -> bytes:
    """`content`, at most 8 MiB, as one frame made by libzstd. The bytes depend on the version of libzstd."""
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS)
    return bytes(_local.compressor.compress(content))


def dense_frame(content: memoryview) -> list[Buffer]:
    """`content` that is compressed already as one frame, in pieces: of raw blocks, unless libzstd makes it smaller.

    It has to gain more than 1/1024, of the first 2 MiB and of all.
    """
    if not hasattr(_local, "fast_compressor"):
        _local.fast_compressor = zstandard.ZstdCompressor(compression_params=_FAST_PARAMETERS)
    start = content[:_PROBE]
    if not _is_worthwhile(start, _local.fast_compressor.compress(start)):
        return raw_frame(content)
    frame = _local.fast_compressor.compress(content)
    return [frame] if _is_worthwhile(content, frame) else raw_frame(content)


def _is_worthwhile(content: memoryview, frame: bytes) -> bool:
    return len(frame) < len(content) - len(content) // _WORTHWHILE


def raw_frame(content: memoryview) -> list[Buffer]:
    """`content` (not empty, below 4 GiB) as one frame of raw blocks, in pieces that share its memory."""
    (_, frame_header), *block_headers = raw_headers(len(content))
    pieces: list[Buffer] = [frame_header]
    for start, (_, header) in zip(range(0, len(content), BLOCK), block_headers, strict=True):
        pieces += [header, content[start : start + BLOCK]]
    pieces.append(checksum(content).to_bytes(_CHECKSUM, "little"))
    return pieces


def raw_headers(content: int) -> list[tuple[int, bytes]]:
    """Yield the headers of a raw frame of `content` bytes and of its blocks, each with its offset in the frame."""
    headers = [(0, struct.pack("<IBI", MAGIC, _RAW_DESCRIPTOR, content))]
    for start in range(0, content, BLOCK):
        size = min(BLOCK, content - start)
        header = (size << 3 | (start + size == content)).to_bytes(_BLOCK_HEADER, "little")
        headers.append((raw_offset(start) - _BLOCK_HEADER, header))
    return headers


def raw_offset(position: int) -> int:
    """Return the offset in a raw frame of the byte of content at `position`."""
    return _RAW_HEADER + position + _BLOCK_HEADER * (position // BLOCK + 1)


def raw_size(content: int) -> int:
    """Return the size in bytes of a raw frame of `content` bytes, at least one."""
    return raw_offset(content - 1) + 1 + _CHECKSUM


def max_compressed(content: int) -> int:
    """Return how many bytes a frame of `content` bytes takes at most: libzstd's own bound and some room."""
    return content + (content >> 8) + 1024


def read_frame(read: Callable[[int], bytes], content: int | None = None) -> bytes:
    """Return the next frame from `read`, which returns exactly as many bytes as asked for, not decompressed.

    `content` is the size that it must declare, in bytes; without one it may be anything up to 8 MiB. Raises
    FormatError for anything else than one frame of the profile; reads at most `max_compressed(content)` bytes.
    """
    pieces = [read(5)]
    pieces.append(read(_header_rest(pieces[0])))
    declared, window = _check_header(pieces[0] + pieces[1], content)
    most = min(window, BLOCK)
    budget = max_compressed(declared) - sum(map(len, pieces)) - 4
    last = 0
    while not last:
        header = read(3)
        value = int.from_bytes(header, "little")
        last, kind, size = value & 1, value >> 1 & 3, value >> 3
        stored = 1 if kind == 1 else size
        budget -= 3 + stored
        if kind == 3 or size > most or budget < 0:
            raise FormatError("a zstd frame with a block that is not allowed")
        pieces += [header, read(stored)]
    pieces.append(read(4))
    return b"".join(pieces)


def require_content(declared: int, content: int) -> None:
    """Raise FormatError unless a frame that declares `declared` bytes is the one that must have `content` bytes."""
    if declared != content:
        raise FormatError(f"a zstd frame of {declared} bytes where {content} belong")


def _header_rest(first: bytes) -> int:
    magic, descriptor = struct.unpack("<IB", first.ljust(5, b"\0"))
    if magic != MAGIC:
        raise FormatError("not a zstd frame where one must begin")
    single, has_checksum, dictionary = descriptor >> 5 & 1, descriptor >> 2 & 1, descriptor & 3
    size_field = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    if descriptor & 0b11000 or dictionary or not has_checksum or not size_field:
        raise FormatError("a zstd frame without checksum or content size, or with a dictionary")
    return size_field + (0 if single else 1)


def _check_header(header: bytes, content: int | None) -> tuple[int, int]:
    """Return the content size that the frame's `header` declares, if it is `content` or, without that, allowed.

    And the size of its window; both are bytes.
    """
    try:
        parameters = zstandard.get_frame_parameters(header, zstandard.FORMAT_ZSTD1)
    except zstandard.ZstdError:
        raise FormatError("a zstd frame with a malformed header") from None
    declared: int = parameters.content_size
    if content is None and declared > MAX_WINDOW:
        raise FormatError(f"a zstd frame of {declared} bytes where at most {MAX_WINDOW} belong")
    if content is not None:
        require_content(declared, content)
    if parameters.window_size > MAX_WINDOW:
        raise FormatError(f"a zstd frame with a window of {parameters.window_size} bytes, more than {MAX_WINDOW}")
    return declared, parameters.window_size


def decompress(frame: Buffer, content: int | None = None) -> bytes:
    """Return the content of one whole frame as `read_frame` returns it; `content` as there.

    Raises FormatError if the frame is not of the profile, damaged, of another size, or followed by anything.
    """
    view = memoryview(frame)
    if len(view) < 14:
        raise FormatError("a zstd frame cut short")
    header = 5 + _header_rest(bytes(view[:5]))
    declared, window = _check_header(bytes(view[:header]), content)
    _check_blocks(view, header, window)
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    try:
        data = _local.decompressor.decompress(view, max_output_size=declared, allow_extra_data=False)
    except zstandard.ZstdError:
        raise FormatError(_DAMAGED) from None
    return bytes(data)


def _check_blocks(view: memoryview, at: int, window: int) -> None:
    """Raise FormatError if one of the blocks from `at` on is larger than a window allows, which libzstd may take."""
    last = 0
    while not last:
        value = int.from_bytes(view[at : at + _BLOCK_HEADER], "little")
        last, kind, size = value & 1, value >> 1 & 3, value >> 3
        if at + _BLOCK_HEADER > len(view) or size > min(window, BLOCK):
            raise FormatError("a zstd frame with a block that is not allowed")
        at += _BLOCK_HEADER + (1 if kind == 1 else size)


def raw_parts(view: memoryview, content: int) -> list[memoryview]:
    """Return the parts of `view`, of `raw_size(content)` bytes, into which a raw frame is to be read, in its order.

    Its content then lies in one piece at the beginning of `view`, behind it the headers, and last, as in any frame, the
    checksum.
    """
    at = content + _RAW_HEADER
    parts = [view[content:at]]
    for start in range(0, content, BLOCK):
        parts += [view[at : at + _BLOCK_HEADER], view[start : min(start + BLOCK, content)]]
        at += _BLOCK_HEADER
    return [*parts, view[at:]]


def unpack(frame: Buffer, content: int) -> memoryview:
    """As `decompress`; what can be written and has the size of a raw frame was read into its `raw_parts`.

    That takes neither memory nor a decoder, and most frames of a bundle are like that.
    """
    view = memoryview(frame)
    if view.readonly or len(view) != raw_size(content):
        return memoryview(decompress(frame, content))
    if view[content:-_CHECKSUM] != b"".join(header for _, header in raw_headers(content)):
        return memoryview(decompress(b"".join(raw_parts(view, content)), content))
    if checksum(view[:content]) != trailer(view):
        raise FormatError(_DAMAGED)
    return view[:content]


def stream(pieces: Iterator[memoryview]) -> Iterator[bytes]:
    """Yield the content of foreign zstd data (any frames, windows up to 128 MiB), piece by piece.

    Raises FormatError if it does not decompress. Data that is cut short may go unnoticed: compare sizes or digests.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=FOREIGN_WINDOW)
    try:
        source = cast(IO[bytes], PieceReader(pieces))  # of a file, `read` is all that is used
        with decompressor.stream_reader(source, read_across_frames=True) as reader:
            while piece := reader.read(_FOREIGN_PIECE):
                yield piece
    except zstandard.ZstdError:
        raise FormatError(_DOES_NOT_DECOMPRESS) from None


def each_block(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the content of each piece of a foreign frame: its header with the first block, then block by block.

    Raises FormatError if it does not decompress, or needs a window of more than 128 MiB.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=FOREIGN_WINDOW).decompressobj()
    try:
        for piece in pieces:
            yield decompressor.decompress(piece)
    except zstandard.ZstdError:
        raise FormatError(_DOES_NOT_DECOMPRESS) from None


def beginning(data: bytes) -> bytes:
    """Return the first 512 bytes of content of a frame that begins with `data`, or as many as `data` tells."""
    reader = zstandard.ZstdDecompressor(max_window_size=FOREIGN_WINDOW).stream_reader(data)
    try:
        return reader.read(_BEGINNING)
    except zstandard.ZstdError:
        return b""


def content_size(frame: Buffer) -> int:
    """Return the content size in bytes that a frame of the profile declares. Raises FormatError."""
    return _check_header(bytes(frame[: 5 + _header_rest(bytes(frame[:5]))]), None)[0]


def trailer(frame: Buffer) -> int:
    """Return the checksum that ends a frame of the profile."""
    return int.from_bytes(bytes(frame[-4:]), "little")


def emit_seek_table(frames: Sequence[Frame]) -> bytes:
    """Return the skippable frame that ends a bundle."""
    entries = b"".join(struct.pack("<III", f.compressed, f.content, f.checksum) for f in frames)
    footer = struct.pack("<IBI", len(frames), _CHECKSUMS_PRESENT, SEEKABLE_MAGIC)
    return struct.pack("<II", SKIPPABLE_MAGIC, len(entries) + FOOTER) + entries + footer


def seek_table_size(frames: int) -> int:
    """Return the size in bytes of the seek table of so many frames, a skippable frame."""
    return _SKIPPABLE_HEADER + frames * ENTRY + FOOTER


def seek_table_length(footer: bytes) -> int:
    """Return the size in bytes of the whole skippable frame whose last 9 bytes are `footer`. Raises FormatError."""
    if len(footer) == FOOTER:
        count, descriptor, magic = struct.unpack("<IBI", footer)
        if magic == SEEKABLE_MAGIC and descriptor == _CHECKSUMS_PRESENT and count <= MAX_FRAMES:
            return seek_table_size(int(count))
    raise FormatError(f"no seek table of at most {MAX_FRAMES} frames at the end: not a bundle, or cut short")


def parse_seek_table(data: bytes) -> list[Frame]:
    """Return the frames of the seek table `data`, a skippable frame. Raises FormatError unless it is canonical."""
    entries = data[_SKIPPABLE_HEADER:-FOOTER]
    frames = [Frame(*entry) for entry in struct.iter_unpack("<III", entries[: len(entries) // ENTRY * ENTRY])]
    if emit_seek_table(frames) != data:
        raise FormatError("a malformed seek table")
    return frames
