"""Scratch files: plaintexts that are too large for memory, on disk without a name, gone with the process."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bundle.archive.content import PIECE
from bundle.archive.output import write_error
from bundle.errors import TargetError

NewFile = Callable[[], int]
"""Makes an empty file without a name, open for reading and writing. Raises TargetError."""
View = mmap.mmap | bytes


class ScratchFile:
    """Bytes that are appended, then read. `name` is for errors."""

    def __init__(self, new_file: NewFile, name: str) -> None:
        self._fd = new_file()
        self._name = name
        self.size = 0

    def append(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._fd, view)
                self.size += written
                view = view[written:]
        except OSError as error:
            raise write_error(f"scratch file of {self._name}", error) from None

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`, fewer only at the end."""
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise TargetError(f"scratch file of {self._name}: cannot be read: {error.strerror}") from None

    def pieces(self) -> Iterator[bytes]:
        """All bytes that are there now, in order."""
        return (self.read(offset, PIECE) for offset in range(0, self.size, PIECE))

    def view(self) -> View:
        """All bytes that are there now, mapped for the caller alone, for as long as he holds them."""
        try:
            return mmap.mmap(self._fd, self.size, prot=mmap.PROT_READ) if self.size else b""
        except OSError as error:
            raise TargetError(f"scratch file of {self._name}: cannot be mapped: {error.strerror}") from None

    def close(self) -> None:
        """Give up the bytes; a view that somebody still holds keeps its own."""
        os.close(self._fd)


def relax(views: Iterable[View]) -> None:
    """Give back the memory that mapped bytes take; they are read from disk again when needed."""
    for view in views:
        if isinstance(view, mmap.mmap):
            view.madvise(mmap.MADV_DONTNEED)


def files_beside(folder: Path) -> NewFile:
    """Scratch files in `folder`, never in `/tmp`, which is often small or in memory."""

    def make() -> int:
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                return os.dup(file.fileno())
        except OSError as error:
            raise write_error(str(folder), error) from None

    return make
