"""The matches of the first block of a frame: they tell an encoder from others, and find its nearest kin."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from struct import unpack_from

from airpatch.encoders.kzstd_sequences import MAX_BLOCK, Sequences
from airpatch.encoders.zstd_alignment import RECORD
from airpatch.encoders.zstd_columns import MATCHES, ColumnWriter
from airpatch.encoders.zstd_frame import MAX_HEADER, read_header
from airpatch.encoders.zstd_read_blocks import BlockReader
from airpatch.errors import FormatError

_COMPRESSED = 2


@dataclass(frozen=True, slots=True)
class Matches:
    """Matches within the first `size` bytes of a frame, each as a record of where it begins, its length, its offset,
    in their order.
    """

    records: bytes
    size: int

    def __len__(self) -> int:
        return len(self.records) // RECORD

    def share(self, other: Matches) -> float:
        """Return how many of the matches before the end of both they have in common, 0 to 1."""
        own, others = self._before(other), other._before(self)
        records = {own[at : at + RECORD] for at in range(0, len(own), RECORD)}
        common = records.intersection(others[at : at + RECORD] for at in range(0, len(others), RECORD))
        return len(common) * RECORD / max(len(own), len(others), 1)

    def agrees(self, other: Matches) -> bool:
        """Return whether the matches before the end of both are the same."""
        return self._before(other) == other._before(self)

    def _before(self, other: Matches) -> bytes:
        """Return the records of the matches that end well before the end of both; they are in order."""
        end = min(self.size, other.size)
        return self.records[: bisect_right(range(len(self)), end - end // 16, key=self._end) * RECORD]

    def _end(self, index: int) -> int:
        begin, length = unpack_from("<QI", self.records, index * RECORD)
        return int(begin + length)


def matches_of(found: Sequences, size: int) -> Matches:
    """Return the matches of a frame's first block, of `size` bytes, of which the sequences are given."""
    return Matches(bytes(ColumnWriter().block(found)[MATCHES]), size)


def first_matches(frame: bytes | memoryview, blocks: int = 1, most: int = MAX_BLOCK) -> Matches:
    """Return the matches of the first blocks of a frame, until these have `most` bytes of content.

    The frame is complete or has so many blocks.

    Raises FormatError if it is no frame, UnusualBlock if no encoder writes blocks like these.
    """
    reader, columns = BlockReader(), ColumnWriter()
    at = read_header(frame[:MAX_HEADER]).size
    records = bytearray()
    total = 0
    for _ in range(blocks):
        word = int.from_bytes(frame[at : at + 3], "little")
        kind, size = word >> 1 & 3, word >> 3
        at += 3
        if kind == _COMPRESSED:
            content, _shape = reader.read(bytes(frame[at : at + size]))
            records += columns.block(reader.found)[MATCHES]
            at += size
        else:
            content = size
            columns.skip(size)
            at += 1 if kind == 1 else size
        total += content
        if at > len(frame):
            raise FormatError("zstd: the first blocks are not all there")
        if word & 1 or at == len(frame) or total >= most:
            break
    return Matches(bytes(records), total)
