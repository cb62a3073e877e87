"""Streams of PDF files (ISO 32000-1, 7.3.8) with no filter but deflate, found by their keyword."""

from __future__ import annotations

import re

from airpatch.views.finders.hint import Hint, without_overlaps
from airpatch.views.finders.zlib_hints import zlib_hint

MAGIC = b"%PDF-"
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_OBJECT = re.compile(rb"([0-9]{1,10}) [0-9]{1,5} obj")
_DICTIONARY = 1 << 10
"""Bytes before a stream in which its dictionary is looked for."""


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the zlib streams, by the numbers of their objects."""
    hints: list[Hint] = []
    for keyword in _STREAM.finditer(data):
        before = bytes(data[max(keyword.start() - _DICTIONARY, 0) : keyword.start()])
        number = b""
        for found in _OBJECT.finditer(before):
            number, before_stream = found[1], found.end()
        if number and b"/FlateDecode" in before[before_stream:]:
            hints += zlib_hint(data, keyword.end(), name + b"!" + number)
    return without_overlaps(hints, len(data))
