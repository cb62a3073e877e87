"""Members of gzip files (RFC 1952): man pages, documents, `.js.gz`, `.svgz`, `.tgz`."""

from __future__ import annotations

from airpatch.deflate.gzip import FIXED_HEADER, header_size, may_begin_member
from airpatch.errors import FormatError
from airpatch.views import framings
from airpatch.views.finders.hint import Hint

MAGIC = b"\x1f\x8b\x08"


def find(data: memoryview, name: bytes) -> tuple[Hint, ...]:
    """Return the member that `data` begins with; those after it are found once its end is known."""
    return gzip_hint(data, 0, name + b"!")


def gzip_hint(data: memoryview, at: int, name: bytes) -> tuple[Hint, ...]:
    """Return the stream of the member at `at`, if one can begin there: its header stays as it is."""
    start = bytes(data[at : at + (1 << 10)])
    if len(start) < FIXED_HEADER or not may_begin_member(start):
        return ()
    try:
        header = header_size(start)
    except FormatError:
        return ()
    if header is None:
        return ()
    body = at + header
    return (Hint(body, framings.GZIP, body, None, name),)
