"""The files in a tar archive, read where they lie: nothing is extracted, and nothing beyond headers is held in memory.

The archive is a file, plain or compressed (gzip, zstd); a compressed one is decompressed once, into a scratch file.
Read are ustar, pax and GNU headers (POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar
manual, "Basic Tar Format"). Links are followed within the archive. Sparse files, and files that occur twice with
different content, cannot be read; names that lead out of the archive count as missing.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
import weakref
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from airpatch import limits
from airpatch.blobs.content import BlobReader, FileBlob, pieces
from airpatch.blobs.scratch import ScratchFile
from airpatch.blobs.tree import Entry
from airpatch.errors import FormatError, SourceError
from airpatch.execution import NewFile
from airpatch.format import zstd
from airpatch.format.layout import INDEX_PATH
from airpatch.layers.compression import Compression, compression, extract

RECORD = 512
"""Bytes of a header; contents are padded to this."""
MAX_HEADERS = 200_000
"""Number of headers in an archive: images have a few for each layer."""
MAX_EXTENDED = 1 << 20
"""Bytes of an extended header or a long name."""
MAX_NAMES = 128 << 20
"""Characters of all names and targets of links in an archive, which are held in memory."""
MAX_LINKS = 8
"""Number of links that may lead from a name to a file."""
_CHECKSUM = slice(148, 156)
_FILE_TYPES = (b"0", b"\0", b"7")
_FIELDS = ("path", "linkpath", "size")
"""What an extended header may say that counts here."""
_SPARSE = "GNU.sparse"
_PAX_RECORD = re.compile(rb"([0-9]{1,8}) ([^=]+)=", re.DOTALL)
_HEAD = 256 << 10
"""Bytes that contain the first block of a compressed archive: zstd's have 128 KiB at most."""
_GZIP = 31
"""`wbits` of zlib for gzip."""


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A regular file of `size` bytes at `offset`, or a link; `unusable` says why its content cannot be read."""

    offset: int
    size: int
    link: str | None = None
    unusable: str | None = None


class TarFiles:
    """The archive of `size` bytes in the open file `fd`, which it owns; messages call it `path`.

    Raises SourceError if it is not a tar archive, is cut short or exceeds a limit.
    """

    def __init__(self, fd: int, size: int, path: Path) -> None:
        self.path = path
        self._fd = fd
        self._size = size
        self._finalizer = weakref.finalize(self, os.close, fd)
        self._members: dict[str, ArchiveMember] = {}
        self._contradictory: set[str] = set()
        room = MAX_NAMES
        for name, member in self._headers():
            room -= len(name) + len(member.link or "")
            if room < 0:
                raise SourceError(f"{path}: has names of more than {MAX_NAMES} characters")
            known = self._members.setdefault(name, member)
            if known is not member and not self._is_same(known, member):
                self._contradictory.add(name)

    def name(self, path: str) -> str:
        """Return `path` as error messages show it: after the archive's name."""
        return f"{self.path}:{path}"

    def lacks(self, path: str) -> bool:
        """Return whether there is nothing at `path`."""
        return path not in self._members

    def size(self, path: str) -> int | None:
        """Return the size of the file `path` in bytes, None if there is no readable file."""
        try:
            return self._find(path).size
        except SourceError:
            return None

    def is_folder(self, path: str) -> bool:
        return next(self._below(path), None) is not None

    def scan(self, path: str) -> list[Entry]:
        """Return the files directly below `path`, sorted."""
        return [Entry(name, stat.S_IFREG) for name in self._below(path) if "/" not in name]

    def _below(self, path: str) -> Iterator[str]:
        """Yield the names below the folder `path`, sorted, without it."""
        prefix = f"{path}/"
        for index in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            if not self._sorted[index].startswith(prefix):
                return
            yield self._sorted[index].removeprefix(prefix)

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._members)

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of the file `path`. Raises SourceError, also for more than `limit` bytes."""
        member = self._find(path)
        if member.size > limit:
            raise SourceError(f"{self.name(path)}: has more than {limit} bytes")
        return self._read_at(member.offset, member.size)

    def blob(self, path: str, size: int) -> BlobReader:
        """Return the file `path` of `size` bytes. Raises SourceError."""
        member = self._find(path)
        if member.size != size:
            raise SourceError(f"{self.name(path)}: has {member.size} bytes, not {size}")
        return _MemberBlob(self, member)

    def read_into(self, view: memoryview, position: int) -> None:
        """Fill `view` with bytes of the archive. Raises SourceError."""
        while view:
            try:
                count = os.preadv(self._fd, [view], position)
            except OSError as error:
                raise SourceError(f"{self.path}: cannot be read: {error.strerror}") from None
            if not count:
                raise SourceError(f"{self.path}: is cut short: copy it again")
            view, position = view[count:], position + count

    def _find(self, path: str) -> ArchiveMember:
        name = path
        for _ in range(MAX_LINKS):
            member = self._members.get(name)
            if member is None:
                raise SourceError(f"{self.name(path)}: is missing")
            if name in self._contradictory:
                raise SourceError(f"{self.name(path)}: occurs twice in the archive, with different content")
            if member.unusable is not None:
                raise SourceError(f"{self.name(path)}: {member.unusable}")
            if member.link is None:
                return member
            name = member.link
        raise SourceError(f"{self.name(path)}: leads through too many links")

    def _is_same(self, one: ArchiveMember, other: ArchiveMember) -> bool:
        if one.link is not None or other.link is not None or one.size != other.size:
            return one.link == other.link and one.size == other.size
        return self._hash(one) == self._hash(other)

    def _hash(self, member: ArchiveMember) -> bytes:
        hash_ = hashlib.sha256()
        for piece in pieces(_MemberBlob(self, member), member.size):
            hash_.update(piece)
        return hash_.digest()

    def _headers(self) -> Iterator[tuple[str, ArchiveMember]]:
        """Yield all files and links, by normal names. Raises SourceError."""
        position = count = 0
        extended: dict[str, str] = {}
        while position < self._size:
            header = self._read_at(position, RECORD)
            if not any(header):
                return
            count += 1
            if count > MAX_HEADERS:
                raise SourceError(f"{self.path}: has more than {MAX_HEADERS} members")
            if not is_header(header):
                raise SourceError(f"{self.path}: is not a tar archive, or is damaged at byte {position}")
            kind = header[156:157]
            start, size = position + RECORD, self._number(extended.get("size"), header)
            position = start + (size + RECORD - 1) // RECORD * RECORD
            if start + size > self._size:
                raise SourceError(f"{self.path}: is cut short: copy it again")
            if kind in b"xgLK":
                self._extend(extended, kind, start, size)
                continue
            name = _inside(extended.get("path") or _name(header), "")
            if name is not None:
                yield from self._member(name, kind, start, size, header, extended)
            extended = {}

    def _member(
        self, name: str, kind: bytes, start: int, size: int, header: bytes, extended: dict[str, str]
    ) -> Iterator[tuple[str, ArchiveMember]]:
        if kind in _FILE_TYPES or kind == b"S":
            sparse = kind == b"S" or _SPARSE in extended
            yield name, ArchiveMember(start, size, unusable="is a sparse file" if sparse else None)
        elif kind in (b"1", b"2"):
            target = extended.get("linkpath") or _text(header[157:257])
            link = _inside(target, posixpath.dirname(name) if kind == b"2" else "")
            unusable = None if link is not None else f"is a link that leads out of the archive, to {target!r:.100}"
            yield name, ArchiveMember(start, 0, link, unusable)

    def _extend(self, extended: dict[str, str], kind: bytes, start: int, size: int) -> None:
        """Take over what an extended header says about the next member. Global ones say nothing relevant here."""
        if size > MAX_EXTENDED:
            raise SourceError(f"{self.path}: has an extended header of {size} bytes, more than {MAX_EXTENDED}")
        content = self._read_at(start, size)
        if kind == b"x":
            for key, value in self._pax_records(content):
                if key in _FIELDS or key.startswith(_SPARSE):
                    extended[key if key in _FIELDS else _SPARSE] = value
        elif kind in b"LK":
            extended["path" if kind == b"L" else "linkpath"] = _text(content)

    def _pax_records(self, content: bytes) -> Iterator[tuple[str, str]]:
        position = 0
        while position < len(content):
            match = _PAX_RECORD.match(content, position)
            end = position + int(match[1]) if match else 0
            if match is None or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n":
                raise SourceError(f"{self.path}: has a malformed extended header")
            yield (
                match[2].decode(errors="surrogateescape"),
                content[match.end() : end - 1].decode(errors="surrogateescape"),
            )
            position = end

    def _number(self, extended: str | None, header: bytes) -> int:
        """Return the size of a member. Raises SourceError."""
        field = header[124:136]
        if extended is not None:
            text = extended
            value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        elif field[0] & 0x80:
            value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
        else:
            digits = field.strip(b" \0")
            value = int(digits or b"0", 8) if re.fullmatch(rb"[0-7]*", digits) else -1
        if not 0 <= value < 1 << 63:
            raise SourceError(f"{self.path}: has a member with a malformed size")
        return value

    def _read_at(self, position: int, size: int) -> bytes:
        if position + size > self._size:
            raise SourceError(f"{self.path}: is cut short: copy it again")
        buffer = bytearray(size)
        self.read_into(memoryview(buffer), position)
        return bytes(buffer)


class _MemberBlob:
    """An open member of an archive."""

    def __init__(self, archive: TarFiles, member: ArchiveMember) -> None:
        self._archive = archive
        self._offset = member.offset

    def read_into(self, view: memoryview, offset: int) -> None:
        self._archive.read_into(view, self._offset + offset)

    def close(self) -> None:
        """Do nothing: the archive stays open."""


def is_header(record: bytes) -> bool:
    """Return whether the 512 bytes `record` are a tar header: its checksum is right."""
    digits = record[_CHECKSUM].strip(b" \0")
    if len(record) != RECORD or not re.fullmatch(rb"[0-7]{1,7}", digits):
        return False
    return int(digits, 8) == sum(record[: _CHECKSUM.start]) + 8 * 0x20 + sum(record[_CHECKSUM.stop :])


def _begins_archive(record: bytes) -> bool:
    """Return whether `record` is the first header of an archive, other than a bundle, damaged ones included."""
    return is_header(record) and not record.startswith(INDEX_PATH.encode())


def is_archive(path: Path) -> bool:
    """Return whether the regular file `path` is a tar archive, plain or compressed, by its first bytes."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    match compression(head[:4]):
        case Compression.GZIP:
            with suppress(zlib.error):
                return _begins_archive(zlib.decompressobj(_GZIP).decompress(head, RECORD))
            return False
        case Compression.ZSTD:
            return _begins_archive(zstd.beginning(head))
        case Compression.NONE:
            return _begins_archive(head[:RECORD])


class _NoTarError(Exception):
    """What is decompressed is not an archive; handled within this module."""


def open_archive(path: Path, new_file: NewFile) -> TarFiles | None:
    """Return the tar archive in the regular file `path`, decompressed into a file by `new_file`; None if it is not one.

    Raises SourceError if it cannot be read, FormatError if it does not decompress, TargetError if there is no room.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        size = os.fstat(fd).st_size
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    file = FileBlob(fd, str(path), size, SourceError)
    start = bytearray(min(RECORD, size))
    try:
        file.read_into(memoryview(start), 0)
        if compression(bytes(start[:4])) is Compression.NONE:
            return TarFiles(os.dup(fd), size, path) if _begins_archive(bytes(start)) else None
        scratch = _expand(file, size, path, new_file)
    finally:
        file.close()
    return None if scratch is None else TarFiles(scratch[0], scratch[1], path)


def _expand(file: FileBlob, size: int, path: Path, new_file: NewFile) -> tuple[int, int] | None:
    """Return a scratch file with what `file` decompresses to, and its size; None if that is not a tar archive."""
    fds: list[int] = []

    def new() -> int:
        fds.append(new_file())
        return fds[-1]

    scratch = ScratchFile(new, str(path))
    first = bytearray()

    def take(piece: bytes) -> None:
        if len(first) < RECORD:
            first.extend(piece[: RECORD - len(first)])
            if len(first) == RECORD and not _begins_archive(bytes(first)):
                raise _NoTarError
        scratch.append(piece)

    try:
        extract(file, size, take, limits.unpacked(size))
        if len(first) < RECORD:
            raise _NoTarError
    except BaseException as error:
        scratch.close()
        if isinstance(error, _NoTarError):
            return None
        if isinstance(error, FormatError):
            raise FormatError(f"{path}: is compressed, but damaged or cut short: copy it again") from None
        raise
    return fds[0], scratch.size


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="surrogateescape")


def _name(header: bytes) -> str:
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    name = _text(header[:100])
    return f"{prefix}/{name}" if prefix else name


def _inside(path: str, folder: str) -> str | None:
    """`path`, as seen from `folder`, in its normal form; None if it leads out of the archive."""
    name = posixpath.normpath(posixpath.join(folder, path)) if path else "."
    return None if name.startswith(("/", "..")) or name == "." else name
