"""Objects of git packs (gitformat-pack): each a header of unknown length, then a zlib stream of unknown length."""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.deflate.decompressor import ZLIB, DecompressionError, decompressor
from airpatch.views import framings
from airpatch.views.finders.hint import Hint

MAGIC = b"PACK\0\0\0\2"
_HEADER = 12
_HASH = 20
_MAX_OBJECTS = 1 << 20
_MAX_NUMBER = 10
_INPUT, _PIECE = 16 << 10, 256 << 10
_OFFSET_DELTA, _HASH_DELTA = 6, 7
_ZLIB_HEADER, _ADLER = 2, 4


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the zlib streams of objects, which are inflated to find where the next one begins."""
    return tuple(_objects(data, name))


def _objects(data: memoryview, name: bytes) -> Iterator[Hint]:
    at = _HEADER
    for number in range(min(int.from_bytes(data[8:12], "big"), _MAX_OBJECTS)):
        start = _stream(data, at)
        end = None if start is None else _end(data, start)
        if start is None or end is None:
            return
        body = start + _ZLIB_HEADER
        yield Hint(body, framings.ZLIB, body, end - body, name + b"!%d" % number)
        at = end


def _stream(data: memoryview, at: int) -> int | None:
    """Return where the stream of the object at `at` begins."""
    kind = data[at] >> 4 & 7 if at < len(data) else 0
    at = _number(data, at)
    if kind == _OFFSET_DELTA:
        at = _number(data, at)
    elif kind == _HASH_DELTA:
        at += _HASH
    return at if at < len(data) else None


def _number(data: memoryview, at: int) -> int:
    """Return where a number ends, whose bytes have the high bit set except the last."""
    stop = min(at + _MAX_NUMBER, len(data))
    while at < stop and data[at] & 0x80:
        at += 1
    return at + 1


def _end(data: memoryview, start: int) -> int | None:
    inflater = decompressor(ZLIB)
    at = start
    while not inflater.eof:
        packed = inflater.unconsumed_tail or bytes(data[at : at + _INPUT])
        at += 0 if inflater.unconsumed_tail else len(packed)
        try:
            out = inflater.decompress(packed, _PIECE)
        except DecompressionError:
            return None
        if not packed and not out and not inflater.eof:
            return None
    return at - len(inflater.unused_data)
