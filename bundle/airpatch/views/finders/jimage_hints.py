"""Resources of the JDK's `modules` file: class files, and what jlink has compressed (`--compress=zip`), by its headers.

Of OpenJDK's imageDecompressor.hpp: magic, packed size, size, two offsets of names, and whether it is the last header.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace

from airpatch.views.finders import class_hints
from airpatch.views.finders.hint import Hint, without_overlaps
from airpatch.views.finders.zlib_hints import zlib_hint

MAGIC = b"\xda\xda\xfe\xca"
_RESOURCE = re.compile(rb"\xfa\xfa\xfe\xca|" + class_hints.MAGIC)
_PATIENCE = 1 << 10
"""After so many that look like a class file and are none, no other is looked at."""
_HEADER = struct.Struct("<IQQIIB")


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return zlib streams and class files of resources, in their order, which is that of modules and names."""
    hints: list[Hint] = []
    end = failed = 0
    for number, found in enumerate(_RESOURCE.finditer(data)):
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
