"""Finds which bytes of a bundle are damaged or missing: whole frames, or all that follows where a copy broke off.

With its seek table, each frame is known and checked alone. Where that is damaged or missing, frames are found by their
own headers, up to the first one whose end cannot be determined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import accumulate

from airpatch.blobs.byte_source import ByteSource
from airpatch.errors import FormatError
from airpatch.format import zstd
from airpatch.format.top_ups import ByteRange, gaps
from airpatch.format.zstd import Frame
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart

_PIECE = 8 << 20


def find_damage(source: ByteSource, table: list[Frame] | None, part: ProgressPart) -> tuple[ByteRange, ...]:
    """Return the damaged ranges of the bundle in `source`; `table` is its seek table, if it has one that can be read.

    `part` has the size of `source` to advance by. Raises TargetError if it cannot be read.
    """
    found = _by_table(source, table, part) if table is not None else _by_headers(source, part)
    return tuple(_joined(found))


def digest_outside(source: ByteSource, ranges: tuple[tuple[int, int], ...], size: int) -> Digest:
    """Return the sha256 of the first `size` bytes of `source`, except those in `ranges`. Raises what reading raises."""
    sha256 = hashlib.sha256()
    for start, stop in gaps(ranges, size):
        for piece in pieces(source, start, stop):
            sha256.update(piece)
    return Digest(sha256.digest())


def pieces(source: ByteSource, start: int, stop: int) -> Iterator[memoryview]:
    """Yield the bytes of a stretch, a piece at a time, each of use until the next one is asked for."""
    buffer = memoryview(bytearray(min(_PIECE, stop - start)))
    for position in range(start, stop, _PIECE):
        view = buffer[: min(_PIECE, stop - position)]
        source.read_into(view, position)
        yield view


def _by_table(source: ByteSource, table: list[Frame], part: ProgressPart) -> Iterator[ByteRange]:
    starts = list(accumulate((frame.compressed for frame in table), initial=0))
    end = starts.pop()
    table_is_right = True
    for frame, start in zip(table, starts, strict=True):
        content = bytearray(frame.compressed)
        source.read_into(memoryview(content), start)
        if not _is_whole(content):
            yield ByteRange(start, start + frame.compressed)
        elif (zstd.content_size(content), zstd.trailer(content)) != (frame.content, frame.checksum):
            table_is_right = False
        part.advance(frame.compressed)
    part.advance(source.size - end)
    if not table_is_right:
        yield ByteRange(end, source.size)


def _by_headers(source: ByteSource, part: ProgressPart) -> Iterator[ByteRange]:
    position, count = 0, 0
    while (size := _frame_size(source, position)) is not None:
        content = bytearray(size)
        source.read_into(memoryview(content), position)
        if not _is_whole(content):
            yield ByteRange(position, position + size)
        position, count = position + size, count + 1
        part.advance(size)
    part.advance(source.size - position)
    # A seek table that begins here is damaged, and as long as the frames before it say.
    table = zstd.seek_table_size(count) if _is_seek_table(source, position) else None
    yield ByteRange(position, None if table is None else position + table)


def _is_whole(frame: bytearray) -> bool:
    try:
        zstd.decompress(frame)
    except FormatError:
        return False
    return True


def _frame_size(source: ByteSource, position: int) -> int | None:
    """Return the size of the frame that begins at `position`; None if none does, or it does not end within the file."""
    start = position

    def read(size: int) -> bytes:
        nonlocal position
        if position + size > source.size:
            raise FormatError("the end of the file")
        view = bytearray(size)
        source.read_into(memoryview(view), position)
        position += size
        return bytes(view)

    try:
        return len(zstd.read_frame(read))
    except FormatError:
        position = start
        return None


def _is_seek_table(source: ByteSource, position: int) -> bool:
    magic = zstd.SKIPPABLE_MAGIC.to_bytes(4, "little")
    if position + len(magic) > source.size:
        return False
    view = bytearray(len(magic))
    source.read_into(memoryview(view), position)
    return view == magic


def _joined(ranges: Iterator[ByteRange]) -> Iterator[ByteRange]:
    """Yield the ranges in order, joining those that touch."""
    last: ByteRange | None = None
    for each in ranges:
        if last is not None and last.stop == each.start:
            last = ByteRange(last.start, each.stop)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last
