"""The header of a gzip member (RFC 1952 2.3)."""

from __future__ import annotations

from airpatch.deflate.layout_column import HEADER_LIMIT
from airpatch.errors import FormatError

FIXED_HEADER = 10  # bytes: magic 3, flags 1, time 4, extra flags 1, system 1
_MAGIC = b"\x1f\x8b\x08"  # gzip, method deflate
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 0x02, 0x04, 0x08, 0x10, 0xE0


def may_begin_member(start: bytes) -> bool:
    """Return whether these FIXED_HEADER bytes begin a gzip member."""
    return start.startswith(_MAGIC) and not start[3] & _RESERVED


def header_size(data: bytes) -> int | None:
    """Return the size of the gzip header that `data` begins with, None if more bytes are needed (RFC 1952 2.3).

    Raises FormatError if there is none, or if it is longer than HEADER_LIMIT.
    """
    if data[: len(_MAGIC)] != _MAGIC[: len(data)]:
        raise FormatError("not a gzip file")
    if len(data) < FIXED_HEADER:
        return None
    flags = data[3]
    if flags & _RESERVED:
        raise FormatError("reserved flags in a gzip header")
    size = FIXED_HEADER
    if flags & _FEXTRA:
        size += 2 + int.from_bytes(data[size : size + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag and size <= len(data):
            size = data.find(b"\0", size) + 1 or len(data) + 1
    if flags & _FHCRC:
        size += 2
    if size > HEADER_LIMIT:
        raise FormatError("gzip header over its limit")
    return size if size <= len(data) else None


def is_plain_header(data: bytes) -> bool:
    """Return whether `data` is the whole header of a gzip member, and has no checksum of its own."""
    try:
        return header_size(data) == len(data) and not data[3] & _FHCRC
    except FormatError:
        return False
