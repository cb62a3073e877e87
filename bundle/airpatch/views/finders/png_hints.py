"""The image data of PNG files (ISO/IEC 15948): a zlib stream, cut into IDAT chunks."""

from __future__ import annotations

from airpatch.views import framings
from airpatch.views.finders.hint import Hint

MAGIC = b"\x89PNG\r\n\x1a\n"
_CRC = 4
_MAX_CHUNKS = 1 << 10
"""Chunks before the first IDAT: palettes, texts, profiles."""


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the IDAT chunks."""
    at = len(MAGIC)
    for _ in range(_MAX_CHUNKS):
        if at + framings.CHUNK_HEADER.size > len(data):
            break
        size, kind = framings.CHUNK_HEADER.unpack_from(data, at)
        if kind == framings.IDAT:
            return (Hint(at, framings.CHUNKS, at, None, name + b"!IDAT"),)
        at += framings.CHUNK_HEADER.size + size + _CRC
    return ()
