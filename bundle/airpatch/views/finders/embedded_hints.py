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
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.finders import gzip_hints, zstd_hints
from airpatch.views.finders.hint import Hint
from airpatch.views.finders.zlib_hints import zlib_hint
from airpatch.views.inflating import FIRST_PIECE, inflate

_MAGICS = tuple(
    re.compile(magic) for magic in (re.escape(gzip_hints.MAGIC), rb"x[\x01\x5e\x9c\xda]", re.escape(zstd_hints.MAGIC))
)
"""Three patterns that begin with one byte each are found in less time than one that may begin with any of them."""
_TRIED, _MADE = 1 << 8, 1 << 10
"""Packed bytes by which most of what is no deflate stream is told, and how many are made of them at most."""
_LEAST = 64
"""Bytes of a stream: a smaller one saves no more than what the view says of it."""
_VAIN, _VAIN_AT_ALL = 16, 1 << 20
"""Bytes that may be read and made of what turns out to be no stream, for each byte of a file and besides: beginnings
that lie in each other would else take the square of the time.
"""


def may_hold(start: bytes) -> bool:
    """Return whether a file that begins like this is looked at: text packs nothing."""
    return not is_text(start)


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the streams in `data`, which are inflated to find where they end; none after too much was in vain."""
    hints: list[Hint] = []
    end = 0
    left = _VAIN * len(data) + _VAIN_AT_ALL
    for at in merge(*(_places(data, magic) for magic in _MAGICS)):
        if at < end:
            continue
        if left < 0:
            break
        for hint in _begin(data, at, name + b"!%d" % len(hints)):
            stop, vain = _end(data, hint) if _is_likely(data, hint) else (None, 0)
            left -= vain
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


def _end(data: memoryview, hint: Hint) -> tuple[int | None, int]:
    """Return where the stream of `hint` ends; if there is none, None and how many bytes it took at most to tell."""
    end, made = hint.body, 0
    try:
        for piece, at in inflate(data, hint.body, hint.framing):
            end, made = at, made + len(piece)
    except FormatError:
        return None, FIRST_PIECE + 2 * (end - hint.body) + made
    return end, 0
