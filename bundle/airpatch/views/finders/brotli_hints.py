"""Brotli streams: `x.js.br` beside `x.js`. Nothing tells them from other bytes but the name (RFC 7932 has no magic)."""

from __future__ import annotations

from airpatch.views import framings
from airpatch.views.finders.hint import Hint, is_within_large

SUFFIX = b".br"


def is_name(name: bytes) -> bool:
    """Return whether a file of that name may be a brotli stream that is not in another one."""
    return name.endswith(SUFFIX) and not is_within_large(name)


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the stream that `data` may be."""
    return (Hint(0, framings.BROTLI, 0, None, name + b"!"),) if is_name(name) and len(data) else ()
