"""The files below a root as they are read, through directory descriptors that follow no symbolic link.

`root` itself may be a symbolic link; it is resolved once. Below it every component is opened with O_NOFOLLOW, so a
planted link is an error and never a way out. All failures are TargetErrors that name the path and the cause.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from airpatch.blobs.folders import Folders, MakeFolder
from airpatch.blobs.output import write_error
from airpatch.blobs.room import Room, room_at
from airpatch.errors import TargetError
from airpatch.format.layout import HOME
from airpatch.format.registry import BLOBS, REPOSITORIES, STORAGE
from airpatch.linux import close_read, mount_of

STAGING = f"{HOME}/staging"

_LINK_CAUSES = (errno.ELOOP, errno.ENOTDIR)


class RootReader:
    """The directory that holds `docker/registry/v2`, as it is read.

    Paths are relative to it, with `/` between components; `make` makes folders that are missing, for those who write.
    Not for use by two threads at once.
    """

    def __init__(self, path: Path, make: MakeFolder) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise write_error(str(path), error) from None
        self._folders = Folders(self._fd, make)

    def close(self) -> None:
        """Close all descriptors."""
        self._folders.close()
        close_read(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def size(self, path: str) -> int | None:
        """Return the size in bytes of the file `path`; None if it does not exist. Raises TargetError for
        anything else.
        """
        status = self._status(path)
        if status is None:
            return None
        if not stat.S_ISREG(status.st_mode):
            raise self._odd(path)
        return status.st_size

    def is_folder(self, path: str) -> bool:
        status = self._status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def is_file(self, path: str) -> bool:
        status = self._status(path)
        return status is not None and stat.S_ISREG(status.st_mode)

    def open(self, path: str) -> int:
        """Return a descriptor for reading the regular file `path`, which the caller closes."""
        with self._errors(path):
            fd = self._folders.open(path)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
            os.close(fd)
        raise self._odd(path)

    def read(self, path: str, limit: int) -> bytes | None:
        """Return the content of a file of at most `limit` bytes; None if there is none."""
        size = self.size(path)
        if size is None:
            return None
        if size > limit:
            raise TargetError(f"{self.path / path}: has {size} bytes, more than the {limit} allowed there")
        try:
            fd = self.open(path)
        except FileNotFoundError:
            return None
        with self._errors(path), os.fdopen(fd, "rb") as file:
            return file.read(limit)

    def names(self, path: str) -> list[str]:
        """Return the sorted names in the folder `path`; none if it does not exist."""
        try:
            with self._errors(path):
                return sorted(os.listdir(self._folders.get(path)))
        except FileNotFoundError:
            return []

    def is_same(self, fd: int, path: str) -> bool:
        """Return whether `path` still names the file behind `fd`."""
        status, opened = self._status(path), os.fstat(fd)
        return status is not None and (status.st_dev, status.st_ino) == (opened.st_dev, opened.st_ino)

    def room(self) -> Room:
        """Return what the file system can still take."""
        return room_at(self._fd)

    def require_one_file_system(self) -> None:
        """Raise TargetError if a part of the root is a mount of its own: names cannot be given across file systems."""
        for path in (HOME, STAGING, STORAGE, BLOBS, REPOSITORIES):
            if self.has_folder(path):
                with self._errors(path):
                    self._require_own_mount(path, self._folders.get(path))

    def require_writable(self, path: str) -> None:
        """Raise TargetError unless names can be given in the folder `path`, which is there. Changes nothing."""
        with self._errors(path):
            folder = self._folders.get(path)
            self._require_own_mount(path, folder)
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True):
                code = errno.EROFS if os.fstatvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
                raise OSError(code, os.strerror(code))

    def has_folder(self, path: str) -> bool:
        """Return whether the folder `path` is there. Raises TargetError if anything else is in its place."""
        status = self._status(path)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            with self._errors(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        return status is not None

    def _require_own_mount(self, path: str, folder: int) -> None:
        if mount_of(folder) != mount_of(self._fd):
            raise TargetError(
                f"{self.path / path}: is on another file system than {self.path}, and cross-device links cannot be "
                "made; mount one file system for all of the root"
            )

    def _odd(self, path: str) -> TargetError:
        return TargetError(f"{self.path / path}: is not a regular file; remove it and run again")

    def _status(self, path: str) -> os.stat_result | None:
        with self._errors(path):
            return self._folders.status(path)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """OSErrors as TargetErrors, but for those about what is and what is not there."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            if error.errno in _LINK_CAUSES:
                raise TargetError(
                    f"{self.path / path}: a symbolic link or a file is in the way; airpatch follows no links below "
                    "the root"
                ) from error
            raise write_error(str(self.path / path), error) from error
