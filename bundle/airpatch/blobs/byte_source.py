"""A file's bytes, wherever they lie: in one file, in parts, in a damaged file and what completes it."""

from __future__ import annotations

import os
from typing import Protocol

from airpatch.errors import FormatError, TargetError
from airpatch.linux import close_read


class ByteSource(Protocol):
    """`size` bytes that can be read at any place, by many threads at once. `name` is for errors."""

    name: str
    size: int

    def read_into(self, view: memoryview, position: int) -> None:
        """Fill `view` with the bytes from `position` on. Raises FormatError if they are not there, TargetError."""

    def again(self) -> ByteSource:
        """Return the same bytes, of which whoever asks is the owner."""

    def close(self) -> None: ...


class FileBytes:
    """The regular file `fd`, which this owns."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self._fd = fd
        self.size = os.fstat(fd).st_size

    def read_into(self, view: memoryview, position: int) -> None:
        while view:
            try:
                count = os.preadv(self._fd, [view], position)
            except OSError as error:
                raise TargetError(f"{self.name}: cannot be read: {error.strerror}") from None
            if not count:
                raise FormatError(f"{self.name}: shrank while it was being read")
            view, position = view[count:], position + count

    def again(self) -> FileBytes:
        return FileBytes(self.name, os.dup(self._fd))

    def close(self) -> None:
        close_read(self._fd)
