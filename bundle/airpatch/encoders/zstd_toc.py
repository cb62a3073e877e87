"""Tables of contents of zstd files: where frames begin is left out of them (spec/ENCODERS.md, Tables of contents).

zstd:chunked has its table, which is JSON, in a skippable frame. One longer frame moves all numbers behind it.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left

from airpatch.errors import FormatError

MAX_TEXT = 64 << 20
"""Bytes of the content of a frame in a skippable frame: tables of contents have some MiB at most. Restored, it may be
twice as much."""
MAX_PACKED = 2 * MAX_TEXT
"""Bytes of a skippable frame with such a frame: it is written in memory, since its size comes first."""
_ESCAPE, _FRAME = 0xFD, 0xFE
"""Bytes that UTF-8 does not have: the next one stands for itself, or is how many frames to go on."""
_REACH = 256
_NUMBER = re.compile(rb"(?:(?<=:)|(?<=: ))\d+|[\xfd\xfe]")
_SHORT = re.compile(rb"[\xfd\xfe](.?)", re.DOTALL)


class FrameOffsets:
    """Shortens and restores one text. `begins` are where the frames before it begin, ascending."""

    def __init__(self, begins: array[int]) -> None:
        self._begins = begins
        self._at = 0

    def shorten(self, text: bytes) -> bytes:
        """Return `text`, which follows that of the call before, with short codes for numbers that are in `begins`."""
        return _NUMBER.sub(self._short, text)

    def restore(self, short: bytes) -> bytes:
        """Return what `shorten` was given. Raises FormatError if there is no such frame, or too much text."""
        longest = len(str(self._begins[-1])) if self._begins else 0
        if len(short) + longest * short.count(_FRAME) > 2 * MAX_TEXT:  # before it takes memory
            raise FormatError(f"a layout with a table of contents of more than {MAX_TEXT} bytes")
        return _SHORT.sub(self._long, short)

    def _short(self, found: re.Match[bytes]) -> bytes:
        token = found[0]
        if token[0] >= _ESCAPE:
            return bytes((_ESCAPE, token[0]))
        if len(token) < 20:
            end = min(self._at + _REACH, len(self._begins))
            number = bisect_left(self._begins, int(token), self._at, end)
            if number < end and b"%d" % self._begins[number] == token:
                code = bytes((_FRAME, number - self._at))
                self._at = number
                return code
        return token

    def _long(self, found: re.Match[bytes]) -> bytes:
        code = found[1]
        if not code:
            raise FormatError("a layout with a table of contents that is cut short")
        if found[0][0] == _ESCAPE:
            return code
        self._at += code[0]
        if self._at >= len(self._begins):
            raise FormatError("a layout with a table of contents that names a frame which is not there")
        return b"%d" % self._begins[self._at]
