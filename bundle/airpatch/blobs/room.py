"""Room on file systems: what can still be taken, and the refusal, before the work, of what does not fit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.output import write_error
from airpatch.errors import TargetError
from airpatch.execution import NewFile
from airpatch.linux import close_read, nearest_folder

_BLOCK = 4096
_UNLIMITED = 1 << 63
"""For file systems that do not tell what they have."""
_LARGEST_BLOCK = 1 << 16
"""Bytes; what is larger is a size for transfers, as of NFS, and no unit of allocation."""


@dataclass(frozen=True, slots=True)
class Room:
    """`size` bytes and `files` files that a file system can still take (None: it has no limit of files).

    A file or folder takes whole blocks of `block` bytes.
    """

    size: int
    files: int | None
    block: int = _BLOCK
    name_max: int = 255
    """Bytes of the longest name."""

    def require(self, name: str, size: int, files: int = 0, what: str = "") -> None:
        """Raise TargetError unless `size` bytes and `files` files fit, which are `what` is to be made at `name`."""
        if size > self.size:
            raise TargetError(
                f"{name}: {size:,} bytes are needed{what} and {self.size:,} are free; make room and run again"
            )
        if self.files is not None and files > self.files:
            raise TargetError(
                f"{name}: {files:,} files and folders are needed and the file system has room for {self.files:,}; "
                "remove some, or use a file system with more inodes"
            )


def room_at(place: int | Path) -> Room:
    """Return the room on the file system of the descriptor or path `place`. Raises TargetError."""
    try:
        status = os.statvfs(place)
    except OSError as error:
        raise write_error(str(place), error) from None
    block = status.f_frsize if 0 < status.f_frsize <= _LARGEST_BLOCK else _BLOCK
    size = status.f_bavail * status.f_frsize if status.f_blocks else _UNLIMITED
    return Room(size, status.f_favail if status.f_files else None, block, status.f_namemax or 255)


class Rooms:
    """What several outputs take of their file systems: those that share one must fit there together."""

    def __init__(self) -> None:
        self._taken: dict[int, list[tuple[str, int, int]]] = {}

    def take(self, path: Path, what: str, size: int, files: int = 0) -> None:
        """Note that `what`, such as "the root", will take `size` bytes and `files` files at `path`, which is made if it
        is not there.
        """
        self._on(nearest_folder(path)).append((what, size, files))

    def require(self, path: Path, what: str, size: int, files: int = 0) -> None:
        """Take room as `take` does. Raises TargetError unless it is free beside what was taken before."""
        folder = nearest_folder(path)
        taken = self._on(folder)
        taken.append((what, size, files))
        each = ", ".join(f"{needed:,} for {output}" for output, needed, _ in reversed(taken))
        total = sum(needed for _, needed, _ in taken)
        room_at(folder).require(
            str(path), total, sum(count for *_, count in taken), f" ({each})" if len(taken) > 1 else f" for {what}"
        )

    def _on(self, folder: Path) -> list[tuple[str, int, int]]:
        """Return what was taken of the file system of `folder`."""
        try:
            return self._taken.setdefault(folder.stat().st_dev, [])
        except OSError as error:
            raise write_error(str(folder), error) from None


def require_scratch(new_file: NewFile, size: int) -> None:
    """Raise TargetError, which says where they lie, unless scratch files of `size` bytes together fit."""
    if not size:
        return
    fd = new_file()
    try:
        room_at(fd).require(folder_of(fd), size, what=" for scratch files")
    finally:
        close_read(fd)


def folder_of(fd: int) -> str:
    """Return the folder of a file that has no name, for messages."""
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink().parent)
    except OSError:
        return "the folder of scratch files"
