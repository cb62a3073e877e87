"""The JDK's `modules` file: its index, class files, and what jlink has compressed (`--compress=zip`), by its headers.

Of OpenJDK's imageDecompressor.hpp: magic, packed size, size, two offsets of names, and whether it is the last header.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import replace
from heapq import merge

from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.finders import class_hints
from airpatch.views.finders.hint import Hint, without_overlaps
from airpatch.views.finders.zlib_hints import zlib_hint
from airpatch.views.jimage_index import MAGIC, MAX_INDEX, index_size

__all__ = ["MAGIC", "find"]
_RESOURCES = [re.compile(magic) for magic in (b"\xfa\xfa\xfe\xca", class_hints.MAGIC)]
"""Of either kind; they are sought one by one, since a pattern of one literal is found eight times as fast."""
_PATIENCE = 1 << 10
"""After so many that look like a class file and are none, no other is looked at."""
_HEADER = struct.Struct("<IQQIIB")


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the index, then zlib streams and class files of resources, in the order of modules and names."""
    hints: list[Hint] = []
    end = failed = 0
    with suppress(FormatError):
        end = index_size(data[:MAX_INDEX])
        hints.append(Hint(0, framings.INDEX, 0, end, name + b"!index"))
    resources = merge(*(magic.finditer(data) for magic in _RESOURCES), key=re.Match.start)
    for number, found in enumerate(resources):
        at = found.start()
        path = name + b"!%d" % number
        if found[0] == class_hints.MAGIC:
            inside = class_hints.find(data[at:], path) if at >= end and failed < _PATIENCE else ()
            failed += at >= end and not inside
            for hint in inside:
                hints.append(replace(hint, start=at, body=at))
                end = at + (hint.size or 0)
            continue
        if at + _HEADER.size > len(data):
            break
        _, packed, _, _, _, _ = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + packed
        if end <= len(data):
            hints += zlib_hint(data[:end], at + _HEADER.size, path)
    return without_overlaps(hints, len(data))
