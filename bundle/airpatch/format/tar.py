"""Tar members as a bundle has them: regular files with fixed times, owners and modes (spec/FORMAT.md, Members).

The reader never interprets a header: it knows from the index what comes next, makes the header that belongs there
and compares. Only the first header, the index's, is read for its size. The header is POSIX ustar (IEEE 1003.1-1988
10.1.1) where path and size fit, GNU's form with a long name or base-256 size where not; both come from `tarfile`.
"""

from __future__ import annotations

import tarfile
from functools import lru_cache

from airpatch.errors import FormatError

RECORD = 512
MTIME = 315532800
"""Seconds: 1980-01-01 UTC. GNU tar complains about files from 1970."""
END = bytes(2 * RECORD)
"""The end-of-archive marker."""


def header(path: str, size: int) -> bytes:
    """Return the header records of the member `path` (ASCII) with `size` bytes of content."""
    member = tarfile.TarInfo(path)
    member.size = size
    member.mtime = MTIME
    member.mode = 0o644
    try:
        return member.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError:
        return member.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def folder_header(path: str) -> bytes:
    """Return the header record of the folder `path` (ASCII)."""
    member = tarfile.TarInfo(path)
    member.type = tarfile.DIRTYPE
    member.mtime = MTIME
    member.mode = 0o755
    return member.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


@lru_cache(maxsize=1024)
def padding(size: int) -> bytes:
    """Return the zero bytes that fill the last record of a member with `size` bytes."""
    return bytes(-size % RECORD)


def member_size(path: str, size: int) -> int:
    """Return how many bytes the member takes in the archive: header, content and padding."""
    return len(header(path, size)) + size + -size % RECORD


def parse_size(record: bytes, path: str, limit: int) -> int:
    """Return the size in the header `record` of the member `path`. Raises FormatError unless it is canonical."""
    try:
        size = tarfile.TarInfo.frombuf(record, "ascii", "strict").size
    except (tarfile.TarError, ValueError):
        raise FormatError(f"not a bundle: the member {path} is not where it belongs") from None
    if not 0 <= size <= limit:
        raise FormatError(f"{path} has {size} bytes, more than {limit}")
    if header(path, size) != record:
        raise FormatError(f"not a bundle: the member {path} is not where it belongs")
    return size
