"""Members of gzip files (RFC 1952): man pages, documents, `.js.gz`, `.svgz`, `.tgz`."""

from __future__ import annotations

from airpatch.deflate.gzip import FIXED_HEADER, header_size, may_begin_member
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.finders.hint import Hint


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the member that `data` begins with; those after it are found once its end is known."""
    start = bytes(data[: 1 << 10])
    if len(start) < FIXED_HEADER or not may_begin_member(start):
        return ()
    try:
        body = header_size(start)
    except FormatError:
        return ()
    return () if body is None else (Hint(body, framings.GZIP, body, None, name + b"!"),)
