"""Streams of xz: `.tar.xz`, modules of Linux, what Debian packages hold, symbols in programs of Fedora and its kin."""

from __future__ import annotations

from airpatch.encoders.liblzma import MAGIC
from airpatch.views import framings
from airpatch.views.finders.hint import Hint, is_within_large

__all__ = ["MAGIC", "SUFFIX", "find", "xz_hint"]

SUFFIX = b".xz"


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the stream that `data` begins with."""
    return xz_hint(data, 0, name)


def xz_hint(data: memoryview, start: int, name: bytes) -> tuple[Hint, ...]:
    """Return the stream at `start`, if one can begin there."""
    if is_within_large(name) or bytes(data[start : start + len(MAGIC)]) != MAGIC:
        return ()
    return (Hint(start, framings.XZ, start, None, name.removesuffix(SUFFIX) + SUFFIX + b"!"),)
