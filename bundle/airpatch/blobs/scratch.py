"""Scratch files: bytes that are too many for the heap, on disk or in memory, without a name, gone with the process."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from airpatch.blobs.content import PIECE
from airpatch.blobs.output import write_error
from airpatch.blobs.room import folder_of
from airpatch.errors import TargetError
from airpatch.execution import Execution, NewFile, no_scratch
from airpatch.linux import close_read, memory_file, punch_hole

View = mmap.mmap | bytes
_SMALL = 64 << 20
"""Bytes of a file that is worth a descriptor of its own: a thousand such files are 64 GiB."""
_FEW = 32
"""Files that may be open whatever their sizes."""


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
            raise write_error(f"scratch file of {self._name} in {folder_of(self._fd)}", error) from None

    def clear(self) -> None:
        """Forget all bytes."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`, fewer only at the end."""
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise TargetError(f"scratch file of {self._name}: cannot be read: {error.strerror}") from None

    def pieces(self) -> Iterator[bytes]:
        """Return all bytes that are there now, in order."""
        return (self.read(offset, PIECE) for offset in range(0, self.size, PIECE))

    def view(self) -> View:
        """Return all bytes that are there now, mapped for the caller alone until it drops the view."""
        return self.map(0, self.size)

    def map(self, start: int, size: int) -> View:
        """Return `size` bytes from `start`, which is a multiple of the system's pages, as `view` gives all."""
        try:
            return mmap.mmap(self._fd, size, prot=mmap.PROT_READ, offset=start) if size else b""
        except OSError as error:
            raise TargetError(f"scratch file of {self._name}: cannot be mapped: {error.strerror}") from None

    def give_up(self, start: int, size: int) -> None:
        """Give back the disk space of a part that nobody reads any more, where the file system can do that."""
        punch_hole(self._fd, start, size)

    def close(self) -> None:
        """Release the bytes; a view that is still in use keeps its own."""
        close_read(self._fd)  # nobody reads it any more


class MemoryScratch:
    """Scratch files in memory, of `limit` bytes together. For use by many threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = limit
        self._lock = threading.Lock()

    def new(self, size: int, name: str) -> ScratchFile | None:
        """Return a file for `size` bytes, which the caller does not exceed; None if there is no room for it."""
        with self._lock:
            fd = memory_file() if 0 < size <= self._free else None
            if fd is None:
                return None
            self._free -= size
        return _MemoryFile(fd, name, lambda: self._release(size))

    def _release(self, size: int) -> None:
        with self._lock:
            self._free += size


class _MemoryFile(ScratchFile):
    """A scratch file in memory; `released` is called when it is closed."""

    def __init__(self, fd: int, name: str, released: Callable[[], None]) -> None:
        super().__init__(lambda: fd, name)
        self._released = released

    def close(self) -> None:
        super().close()
        self._released()


@dataclass(frozen=True, slots=True)
class ScratchRange:
    """`size` bytes of a scratch file from `start`; also a `BlobReader` of them."""

    file: ScratchFile
    start: int
    size: int

    def read_into(self, view: memoryview, offset: int) -> None:
        view[:] = self.file.read(self.start + offset, len(view))

    def pieces(self) -> Iterator[bytes]:
        """Return all bytes, in order."""
        end = self.start + self.size
        return (self.file.read(at, min(PIECE, end - at)) for at in range(self.start, end, PIECE))

    def view(self) -> View:
        return self.file.map(self.start, self.size)

    def close(self) -> None:
        """Do nothing: the file belongs to others, too."""


Scratch = ScratchFile | ScratchRange


class ScratchStore:
    """Keeps what many scratch files hold in few, since a process may not have many open. For use by many threads.

    Files lie in `memory` as far as it has room.
    """

    def __init__(self, new_file: NewFile, memory: MemoryScratch | None = None) -> None:
        self._new_file = new_file
        self._memory = memory or MemoryScratch(0)
        self._files: list[ScratchFile] = []
        self._shared: ScratchFile | None = None
        self._lock = threading.Lock()

    def new(self, size: int, name: str) -> ScratchFile:
        """Return a file for at most `size` bytes, in `memory` if there is room; `keep` takes it over."""
        return self._memory.new(size, name) or ScratchFile(self._new_file, name)

    def keep(self, file: ScratchFile) -> ScratchRange:
        """Take over `file`; where there are many, a small one is copied into the file that all small ones share."""
        if file.size > _SMALL or len(self._files) < _FEW:
            self._files.append(file)
            return ScratchRange(file, 0, file.size)
        with closing(file), self._lock:
            if self._shared is None:
                self._shared = ScratchFile(self._new_file, "small files")
                self._files.append(self._shared)
            start = self._shared.size
            for piece in file.pieces():
                self._shared.append(piece)
            self._shared.append(bytes(-file.size % mmap.ALLOCATIONGRANULARITY))
            return ScratchRange(self._shared, start, file.size)

    def give_up(self, kept: ScratchRange) -> None:
        """Release what `keep` gave, which nobody reads any more."""
        with self._lock:
            if kept.file is self._shared:
                kept.file.give_up(kept.start, kept.size + -kept.size % mmap.ALLOCATIONGRANULARITY)
            else:
                self._files.remove(kept.file)
                kept.file.close()

    def close(self) -> None:
        """Release everything that is kept."""
        while self._files:
            self._files.pop().close()


def release_pages(views: Iterable[View]) -> None:
    """Give back the memory that mapped bytes take; they are read from disk again when needed."""
    for view in views:
        if isinstance(view, mmap.mmap):
            view.madvise(mmap.MADV_DONTNEED)


def with_scratch(execution: Execution, folder: Path) -> Execution:
    """Return `execution` with scratch files in `folder`, unless it says where they go."""
    return replace(execution, scratch=scratch_files(folder)) if execution.scratch is no_scratch else execution


def scratch_files(folder: Path) -> NewFile:
    """Return what makes scratch files in `folder`, never in `/tmp`, which is often small or in memory."""

    def make() -> int:
        try:
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                return os.dup(file.fileno())
        except OSError as error:
            raise write_error(f"scratch files in {folder}", error) from None

    return make
