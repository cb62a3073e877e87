"""Members of ar archives (ar(5)): static libraries, and Debian packages, which hold tar archives."""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.delta.tar_members import TarMember

MAGIC = b"!<arch>\n"
_HEADER = 60
_END = b"`\n"
"""What a header ends with."""


def members(data: memoryview) -> Iterator[TarMember]:
    """Yield the members in their order, up to the first that is malformed. Long names are the offsets in a table that
    the archive has for them.
    """
    at = len(MAGIC)
    while (header := bytes(data[at : at + _HEADER])).endswith(_END) and header[48:58].strip().isdigit():
        content, size = at + _HEADER, int(header[48:58])
        if size > len(data) - content:
            return
        end = content + size + size % 2
        yield TarMember(header[:16].rstrip(b" ").rstrip(b"/"), at, content, size, end)
        at = end
