"""Frames of a zstd file (RFC 8878 3.1): where they begin and end, and what their headers say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from airpatch.errors import FormatError

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC = 0x184D2A50
MAGIC_SIZE = 4
"""Of the first of sixteen kinds of skippable frames."""
_SKIPPABLE_HEADER = 8
_BLOCK_HEADER = 3
_CHECKSUM_SIZE = 4
_RUN, _RESERVED = 1, 3
MAX_HEADER = 18
"""Bytes."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """`size` of the header, `window` and `content` in bytes; `content` None if the header does not say it."""

    size: int
    window: int
    content: int | None
    single_segment: bool
    checksum: bool
    dictionary: bool


class Sliceable(Protocol):
    """Bytes that can be sliced without reading all of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> bytes | bytearray | memoryview: ...


@dataclass(frozen=True, slots=True)
class FrameExtent:
    """Where a frame begins and ends. `skippable` is 0 to 15, which kind it is, or None if it is not skippable.

    `ends_empty`: it has several blocks, of which the last one is empty.
    """

    begin: int
    end: int
    skippable: int | None = None
    ends_empty: bool = False


def begins_frame(data: bytes | bytearray | memoryview) -> bool:
    """Return whether `data` begins as a frame does, a skippable one among them, however little it has of it."""
    number = int.from_bytes(data[:MAGIC_SIZE], "little")
    return len(data) >= MAGIC_SIZE and (number & ~15 == SKIPPABLE_MAGIC or bytes(data[:MAGIC_SIZE]) == MAGIC)


def read_header(data: bytes | memoryview) -> FrameHeader:
    """Return what the header of the frame at the beginning of `data` says. Raises FormatError if there is none."""
    if len(data) < 6 or bytes(data[:4]) != MAGIC:
        raise FormatError("not a zstd frame")
    descriptor = data[4]
    single = bool(descriptor & 32)
    at = 5
    window = 0
    if not single:
        exponent, mantissa = data[at] >> 3, data[at] & 7
        window = (1 << 10 + exponent) * (8 + mantissa) >> 3
        at += 1
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    width = (int(single), 2, 4, 8)[descriptor >> 6]
    if descriptor & 8 or len(data) < at + dictionary + width:
        raise FormatError("not a zstd frame")
    number = int.from_bytes(data[at + dictionary : at + dictionary + width], "little") + (256 if width == 2 else 0)
    content = number if width else None
    at += dictionary + width
    return FrameHeader(at, number if single else window, content, single, bool(descriptor & 4), dictionary > 0)


def frame_end(data: Sliceable, begin: int = 0) -> int | None:
    """Return where the frame ends that begins at data[begin:], skippable or not; None if `data` has not all of it.

    Raises FormatError if no frame begins there.
    """
    found = find_frame(data, begin)
    return None if found is None else found.end


def find_frame(data: Sliceable, begin: int) -> FrameExtent | None:
    """Return the frame that begins at data[begin:]; None if `data` has not all of it.

    Raises FormatError if no frame begins there.
    """
    head = bytes(data[begin : begin + _SKIPPABLE_HEADER])
    number = int.from_bytes(head[:4], "little")
    if len(head) == _SKIPPABLE_HEADER and number & ~15 == SKIPPABLE_MAGIC:
        end = begin + _SKIPPABLE_HEADER + int.from_bytes(head[4:], "little")
        return FrameExtent(begin, end, number & 15) if end <= len(data) else None
    header = read_header(bytes(data[begin : begin + MAX_HEADER]))
    at = begin + header.size
    blocks = 0
    while at + _BLOCK_HEADER <= len(data):
        word = int.from_bytes(data[at : at + _BLOCK_HEADER], "little")
        if word >> 1 & 3 == _RESERVED:
            raise FormatError("not a zstd frame: a block of a reserved type")
        at += _BLOCK_HEADER + (1 if word >> 1 & 3 == _RUN else word >> 3)
        blocks += 1
        if word & 1:
            at += _CHECKSUM_SIZE if header.checksum else 0
            return FrameExtent(begin, at, ends_empty=blocks > 1 and word == 1) if at <= len(data) else None
    return None


def block_ends(data: Sliceable, begin: int = 0) -> Iterator[int]:
    """Yield where the blocks end of the frame that begins at data[begin:], as far as `data` has their headers.

    Raises FormatError if no frame begins there.
    """
    at = begin + read_header(bytes(data[begin : begin + MAX_HEADER])).size
    last = False
    while not last and at + _BLOCK_HEADER <= len(data):
        word = int.from_bytes(data[at : at + _BLOCK_HEADER], "little")
        at += _BLOCK_HEADER + (1 if word >> 1 & 3 == _RUN else word >> 3)
        last = bool(word & 1)
        yield at
