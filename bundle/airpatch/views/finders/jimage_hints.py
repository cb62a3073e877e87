"""Resources of the JDK's `modules` file that jlink has compressed (`--compress=zip`): found by their headers.

Of OpenJDK's imageDecompressor.hpp: magic, packed size, size, two offsets of names, and whether it is the last header.
"""

from __future__ import annotations

import re
import struct

from airpatch.views.finders.hint import Hint, without_overlaps
from airpatch.views.finders.zlib_hints import zlib_hint

MAGIC = b"\xda\xda\xfe\xca"
_RESOURCE = re.compile(rb"\xfa\xfa\xfe\xca")
_HEADER = struct.Struct("<IQQIIB")


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the zlib streams of resources, in their order, which is that of modules and names."""
    hints: list[Hint] = []
    for number, found in enumerate(_RESOURCE.finditer(data)):
        at = found.start()
        if at + _HEADER.size > len(data):
            break
        _, packed, _, _, _, _ = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + packed
        if end <= len(data):
            hints += zlib_hint(data[:end], at + _HEADER.size, name + b"!%d" % number)
    return without_overlaps(hints, len(data))
