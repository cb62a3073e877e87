"""Frames of zstd: `.tar.zst`, modules of Linux, what Debian and conda packages hold."""

from __future__ import annotations

from airpatch.encoders.zstd_frame import MAGIC
from airpatch.views import framings
from airpatch.views.finders.hint import Hint, is_within_large

__all__ = ["MAGIC", "SUFFIX", "find", "zstd_hint"]

SUFFIX = b".zst"


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the frame that `data` begins with."""
    return zstd_hint(data, 0, name)


def zstd_hint(data: memoryview, start: int, name: bytes) -> tuple[Hint, ...]:
    """Return the frame at `start`, if one can begin there."""
    if is_within_large(name) or bytes(data[start : start + len(MAGIC)]) != MAGIC:
        return ()
    return (Hint(start, framings.ZSTD, start, None, name.removesuffix(SUFFIX) + SUFFIX + b"!"),)
