"""Reads the members of a layer of files, one after the other, with bounded memory (spec/FILES.md, A layer).

A stranger's tar, so not `tarfile`'s to read: that follows extended headers upon extended headers by recursion, and
holds whatever size they claim.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator

from airpatch.errors import FormatError
from airpatch.files.tar_entries import FileEntry, entry_of

_BLOCK = 512
_PIECE = 1 << 20
_MAX_EXTENDED = 32 << 10
"""Bytes of an extended header: a name, a link's target and a size take a quarter of it."""
_RECORD = re.compile(rb"([0-9]{1,5}) (path|linkpath|size)=", re.ASCII)
_MAX_SIZE = re.compile("[0-9]{1,18}")

Read = Callable[[int], bytes]
"""Returns up to so many bytes, none only at the end."""


def read_members(read: Read) -> Iterator[tuple[FileEntry, Iterator[bytes]]]:
    """Yield the members of a tar with their content, which is to be consumed, or not, before the next one.

    Raises FormatError.
    """
    while block := read(_BLOCK):
        block += _exactly(read, _BLOCK - len(block))
        if not any(block):
            return
        fields: dict[str, str] = {}
        info = _header(block)
        if info.type == tarfile.XHDTYPE:
            if not 0 <= info.size <= _MAX_EXTENDED:
                raise FormatError(f"an extended header of {info.size} bytes, more than {_MAX_EXTENDED}")
            fields = _fields(_exactly(read, info.size))
            _exactly(read, -info.size % _BLOCK)
            info = _header(_exactly(read, _BLOCK))
        info.name = fields.get("path", info.name).rstrip("/")
        info.linkname = fields.get("linkpath", info.linkname)
        info.size = _size(fields["size"]) if "size" in fields else info.size
        entry = entry_of(info)
        if not 0 <= entry.size < 1 << 63:
            raise FormatError(f"{entry.path}: has a malformed size")
        content = _content(read, entry)
        yield entry, content
        for _ in content:
            pass


def _content(read: Read, entry: FileEntry) -> Iterator[bytes]:
    left = entry.size
    while left:
        piece = read(min(left, _PIECE))
        if not piece:
            raise FormatError(f"{entry.path}: ends early")
        left -= len(piece)
        yield piece
    _exactly(read, -entry.size % _BLOCK)


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        raise FormatError(f"is not a tar archive: {error}") from None


def _fields(content: bytes) -> dict[str, str]:
    """Return the fields of an extended header, which may be a path, a link's target and a size."""
    fields: dict[str, str] = {}
    position = 0
    while position < len(content):
        match = _RECORD.match(content, position)
        end = position + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise FormatError("a header that airpatch does not write")
        fields[match[2].decode()] = content[match.end() : end - 1].decode(errors="surrogateescape")
        position = end
    return fields


def _size(text: str) -> int:
    return int(text) if _MAX_SIZE.fullmatch(text) else -1


def _exactly(read: Read, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = read(size - len(content))
        if not piece:
            raise FormatError("a tar archive that ends early")
        content += piece
    return bytes(content)
