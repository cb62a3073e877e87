"""Segments: the columns of a delta, each one zstd frame that runs through the whole delta, cut and
interleaved; literals and byte differences may be mixed instead (`airpatch.delta.mixed_content`).

Numbers, literals and byte differences have little in common, so each kind is compressed by itself; every
column is flushed at the end of a segment, so a reader needs only one segment of each in memory. This module
owns zstd for deltas.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import zstandard

from airpatch.delta import varints
from airpatch.errors import FormatError

CONTROL, LENGTHS, SOURCES, MODES, LITERALS, GAPS, VALUES = range(7)
COLUMNS = 7
MIXED = (LITERALS, GAPS, VALUES)  # those that may be mixed instead
NAMES = ("control", "lengths", "sources", "modes", "literals", "gaps", "values")

MAX_SEGMENT = 24 << 20  # decoded bytes of all columns of a segment, which a reader has in memory
MAX_STORED = MAX_SEGMENT + (1 << 18)  # stored bytes of all: zstd adds at most 1/256 and a few bytes
WINDOW_LOGS = (20, 22, 22, 20, 26, 22, 22)  # of each column's frame: 64 MiB for literals, 4 MiB at most else

_SLICE = 256  # stored bytes decompressed at once: 4 bytes make 128 KiB at most, so these make 8 MiB at most


class ByteReader(Protocol):
    """What a delta is read from: `read(n)` returns up to n bytes, and none at the end only."""

    def read(self, size: int, /) -> bytes: ...


def weigh(data: bytes) -> int:
    """Return about how many bytes `data` takes when it is compressed by itself."""
    return len(zstandard.ZstdCompressor(level=3).compress(data))


class ColumnCompressor:
    """Turns columns into segments. `levels` are zstd's, one for each column."""

    def __init__(self, levels: Sequence[int], size: int) -> None:
        """Columns of a target of `size` bytes do not exceed it much, so small targets need small windows."""
        fit = max(size.bit_length(), 10)  # zstd's smallest window is 1 KiB
        self._parameters = [(level, min(window, fit), size) for level, window in zip(levels, WINDOW_LOGS, strict=True)]
        self._frames = [_frame(*each) for each in self._parameters]

    def alone(self, column: int, data: bytes | bytearray) -> int:
        """Return how many bytes a column would take that begins with `data`."""
        frame = _frame(*self._parameters[column])
        return len(frame.compress(data) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)) if data else 0

    def segment(self, columns: Sequence[bytes | bytearray], mixed: bytes = b"") -> Iterator[bytes]:
        """Yield the bytes of the next segment. `mixed` stands for the columns of `MIXED`, which are empty then."""
        if sum(map(len, columns)) > MAX_SEGMENT:
            raise ValueError("a segment exceeds its limits")
        head = bytearray()
        stored = []
        for frame, column in zip(self._frames, columns, strict=True):
            varints.put(head, len(column))
            if not column:
                continue
            data = frame.compress(column) + frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            varints.put(head, len(data))
            stored.append(data)
        if not any(columns[column] for column in MIXED):
            varints.put(head, len(mixed))
            stored.append(mixed)
        yield bytes(head)
        yield from stored


def _frame(level: int, window_log: int, size: int) -> zstandard.ZstdCompressionObj:
    usual = zstandard.ZstdCompressionParameters.from_level(level, source_size=max(size, 1))
    return zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(
            level,
            source_size=max(size, 1),
            window_log=window_log,
            hash_log=min(usual.hash_log, window_log - 2),
            chain_log=min(usual.chain_log, window_log - 1),
            write_checksum=False,
            write_content_size=False,
        )
    ).compressobj()


class ColumnDecompressor:
    """Turns segments back into columns. FormatError for whatever is wrong, within bounded memory."""

    def __init__(self, reader: ByteReader) -> None:
        self.stored: tuple[int, ...] = ()
        """Stored bytes of the columns of the segment read last."""
        self.mixed = b""
        """What that segment has in place of literals, gaps and values; empty if it has them."""
        self._reader = reader
        self._frames: list[zstandard.ZstdDecompressionObj | None] = [None] * COLUMNS  # small deltas need few

    def exactly(self, size: int) -> bytes:
        """Read `size` bytes."""
        parts = []
        while size:
            part = self._reader.read(size)
            if not part:
                raise FormatError("delta: cut short")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def number(self) -> int:
        """Read one number."""
        data = bytearray(self.exactly(1))
        while data[-1] & 0x80 and len(data) < varints.MAX_BYTES:
            data += self.exactly(1)
        number: int = varints.unpack(data)[0]
        return number

    def at_end(self) -> bool:
        """Return whether nothing follows."""
        return not self._reader.read(1)

    def segment(self) -> list[bytes]:
        """Return the columns of the next segment."""
        sizes = []
        for _ in range(COLUMNS):
            size = self.number()
            stored = self.number() if size else 0
            sizes.append((size, stored))
            if sum(pair[0] for pair in sizes) > MAX_SEGMENT or sum(pair[1] for pair in sizes) > MAX_STORED:
                raise FormatError("delta: a segment exceeds its limits")
        mixed = 0 if any(sizes[column][0] for column in MIXED) else self.number()
        if mixed > MAX_STORED:
            raise FormatError("delta: a segment exceeds its limits")
        self.stored = tuple(stored for _, stored in sizes)
        columns = [self._column(number, *pair) for number, pair in enumerate(sizes)]
        self.mixed = self.exactly(mixed)
        return columns

    def _column(self, number: int, size: int, stored: int) -> bytes:
        if not size:
            return b""
        frame = self._frames[number]
        data = self.exactly(stored)
        if data and not _goes_on(data, is_first=frame is None):
            raise FormatError(f"delta: column {NAMES[number]} is not whole blocks of a frame that goes on")
        if frame is None:
            frame = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOGS[number]).decompressobj()
            self._frames[number] = frame
        out = bytearray()
        for start in range(0, stored, _SLICE):
            try:
                out += frame.decompress(data[start : start + _SLICE])
            except zstandard.ZstdError as error:
                raise FormatError(f"delta: column {NAMES[number]}: {error}") from error
            if len(out) > size:
                break
        if len(out) != size:
            raise FormatError(f"delta: column {NAMES[number]} does not have the size it declares")
        return bytes(out)


def _goes_on(data: bytes, *, is_first: bool) -> bool:
    """Return whether `data` is whole blocks of a frame (RFC 8878 3.1.1.2), behind its header in the first segment, none
    of them the last one.

    A decoder may give a part of a block before it has all of it, or may not: so no segment depends on that.
    """
    try:
        at = zstandard.frame_header_size(data) if is_first else 0
    except zstandard.ZstdError:
        return False
    while at < len(data):
        header = int.from_bytes(data[at : at + 3], "little")
        if header & 1:
            return False
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)  # a run is stored as one byte
    return at == len(data)
