"""Streams of gzip, zlib and zstd in files of no other known kind, found by the bytes that they begin with: payloads of
rpm packages, initial RAM disks behind microcode, blocks of squashfs, pages of Parquet, compressed pickles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from heapq import merge

from airpatch.deflate.decompressor import RAW, DecompressionError, decompressor
from airpatch.delta.windows import is_text
from airpatch.views import framings
from airpatch.views.finders import gzip_hints, zstd_hints
from airpatch.views.finders.hint import Hint
from airpatch.views.finders.zlib_hints import zlib_hint
from airpatch.views.inflating import stream_end

_MAGICS = tuple(re.compile(magic) for magic in (rb"\x1f\x8b\x08", rb"x[\x01\x5e\x9c\xda]", re.escape(zstd_hints.MAGIC)))
"""Three patterns that begin with one byte each are found in less time than one that may begin with any of them."""
_TRIED, _MADE = 1 << 8, 1 << 10
"""Packed bytes by which most of what is no deflate stream is told, and how many are made of them at most."""
_LEAST = 64
"""Bytes of a stream: a smaller one saves no more than what the view says of it."""


def may_hold(start: bytes) -> bool:
    """Return whether a file that begins like this is looked at: text packs nothing."""
    return not is_text(start)


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the streams in `data`, which are inflated to find where they end."""
    hints: list[Hint] = []
    end = 0
    for at in merge(*(_places(data, magic) for magic in _MAGICS)):
        if at < end:
            continue
        for hint in _begin(data, at, name + b"!%d" % len(hints)):
            stop = stream_end(data, hint.body, hint.framing) if _is_likely(data, hint) else None
            if stop is not None and stop - hint.body >= _LEAST:
                end = min(stop + framings.trailer_size(hint.framing), len(data))
                hints.append(replace(hint, size=end - hint.start))
    return tuple(hints)


def _places(data: memoryview, magic: re.Pattern[bytes]) -> Iterator[int]:
    return (found.start() for found in magic.finditer(data))


def _begin(data: memoryview, at: int, name: bytes) -> tuple[Hint, ...]:
    """Return the stream that may begin at `at`."""
    if data[at] == zstd_hints.MAGIC[0]:
        return zstd_hints.zstd_hint(data, at, name)
    if data[at] == gzip_hints.MAGIC[0]:
        return gzip_hints.gzip_hint(data, at, name)
    return zlib_hint(data, at, name)


def _is_likely(data: memoryview, hint: Hint) -> bool:
    """Return whether the first bytes of what may be a stream decompress; of zstd, its magic number is enough."""
    if hint.framing == framings.ZSTD:
        return True
    try:
        decompressor(RAW).decompress(bytes(data[hint.body : hint.body + _TRIED]), _MADE)
    except DecompressionError:
        return False
    return True
