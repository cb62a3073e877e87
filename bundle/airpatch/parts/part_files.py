"""Files that are parts: found in folders, opened, their chunks verified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from airpatch.errors import FormatError, TargetError
from airpatch.format import magics, parts, sealed
from airpatch.format.parts import Header
from airpatch.linux import begins_with


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file that is a part, by its header, and where in it the payload begins."""

    path: Path
    header: Header
    start: int
    _seen: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)
    """A fast hash of each chunk that was right by its sum: to rebuild others, it is read again for each of them."""

    def chunk(self, number: int) -> bytes | None:
        """Return the chunk `number` of the payload; None if it is damaged, cut off or cannot be read."""
        whole = self.header.whole
        offset = number * whole.chunk
        size = min(whole.chunk, whole.payload(self.header.number) - offset)
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                content = _read(fd, size, self.start + offset)
            finally:
                os.close(fd)
        except OSError:
            return None
        return content if self._is_right(number, content) else None

    def _is_right(self, number: int, content: bytes) -> bool:
        """Return whether `content` is the chunk `number`: by its sum, or what had that sum before."""
        fast = xxhash.xxh3_128_digest(content)
        if number in self._seen:
            return self._seen[number] == fast
        is_right = hashlib.sha256(content).digest() == self.header.sum(number)
        if is_right:
            self._seen[number] = fast
        return is_right


def read_part(path: Path) -> PartFile:
    """Return the part in the file `path`.

    Raises FormatError if it is something else, or its header is damaged, TargetError if it cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            prefix = _read(file.fileno(), sealed.PREFIX, 0)
            content = _read(file.fileno(), parts.size_of_header(prefix), 0)
            return PartFile(path, parts.parse_header(content), len(content))
    except OSError as error:
        raise TargetError(f"{path}: cannot be read: {error.strerror}") from None


def begins_as_part(path: Path) -> bool:
    """Return whether the file begins as a part does."""
    return begins_with(path, magics.PART)


@dataclass(slots=True)
class FoundParts:
    """Parts that were found, and what is wrong with the headers of files that begin as parts do."""

    parts: list[PartFile] = field(default_factory=list)
    spoiled: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        """Add the file `path` if it is a part. Raises TargetError if it cannot be read."""
        if begins_as_part(path):
            try:
                self.parts.append(read_part(path))
            except FormatError as error:
                self.spoiled[path] = error.message


def find_parts(folders: Iterable[Path]) -> FoundParts:
    """Return the parts among the files of `folders`, in the order of their names. Raises TargetError."""
    found = FoundParts()
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise TargetError(f"{folder}: cannot be read: {error.strerror}") from None
        for name in names:
            found.add(folder / name)
    return found


def _read(fd: int, size: int, position: int) -> bytes:
    """Return up to `size` bytes; fewer only at the end. Raises OSError."""
    pieces = []
    while size and (piece := os.pread(fd, size, position)):
        pieces.append(piece)
        size, position = size - len(piece), position + len(piece)
    return b"".join(pieces)
