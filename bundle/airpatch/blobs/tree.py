"""Reads what lies below a directory, following no symbolic link there.

The directory itself may be reached through links: the user names it. Below it, paths are relative, with
`/` between components, and a link in any of them is an error: openat2(2) refuses it in one call, and where that is
missing (Linux before 5.6, some sandboxes) the components are opened one by one with O_NOFOLLOW.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airpatch.blobs.content import FileBlob
from airpatch.blobs.folders import ALWAYS, FOLDER, PASS_THROUGH, READ, Folders
from airpatch.errors import SourceError
from airpatch.linux import close_read, open_beneath

_UNAVAILABLE = (errno.ENOSYS, errno.EPERM, errno.EAGAIN)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder and the file type bits of its mode (`stat.S_IFMT`), of a link its own."""

    name: str
    type: int

    @property
    def is_folder(self) -> bool:
        return self.type == stat.S_IFDIR

    @property
    def is_file(self) -> bool:
        return self.type == stat.S_IFREG

    @property
    def is_link(self) -> bool:
        return self.type == stat.S_IFLNK


class Tree:
    """The directory `path`, held open as long as the object lives. For use by many threads. Raises SourceError.

    With `follow_links` symbolic links below it are followed, wherever they lead: for folders that the user names and
    whose content is known by digest, never for one that others write to.
    """

    def __init__(self, path: Path, *, follow_links: bool = False) -> None:
        self.path = path
        self._follow_links = follow_links
        try:
            self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # it may be written and not read
        except OSError as cause:
            raise read_error(str(path), cause) from None
        self._finalizer = weakref.finalize(self, close_read, self._fd)

    def close(self) -> None:
        """Close the directory. This also happens when the object is no longer used."""
        self._finalizer()

    def name(self, path: str) -> str:
        """`path` as errors give it: with the directory before it."""
        return f"{self.path}/{path}"

    def open(self, path: str, flags: int = READ) -> int:
        """Return a descriptor of `path`, which the caller closes. Raises OSError, ELOOP where a link is in the way."""
        if self._follow_links:
            return self._open_following(path or ".", flags)
        try:
            return open_beneath(path or ".", flags | ALWAYS, self._fd)
        except OSError as cause:
            if cause.errno not in _UNAVAILABLE:
                raise
        return self._open_stepwise(path, flags)

    def blob(self, path: str, size: int) -> FileBlob:
        """Open the regular file `path` of `size` bytes as a blob. Raises SourceError."""
        try:
            fd = self.open(path)
        except OSError as cause:
            raise read_error(self.name(path), cause) from None
        return FileBlob(fd, self.name(path), size, SourceError)

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of what `path` names, of a link its own; None if there is nothing that can be reached."""
        try:
            fd = self.open(path, os.O_PATH)
        except OSError:
            return None
        try:
            return os.fstat(fd)
        finally:
            close_read(fd)

    def lacks(self, path: str) -> bool:
        """Return whether there is nothing at `path`. What is there and cannot be reached is not lacking."""
        try:
            close_read(self.open(path, os.O_PATH))
        except OSError as cause:
            return cause.errno in (errno.ENOENT, errno.ENOTDIR)
        return False

    def size(self, path: str) -> int | None:
        """Return the size in bytes of the regular file `path`; None if there is none that can be reached."""
        status = self.status(path)
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None

    def is_folder(self, path: str) -> bool:
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def read(self, path: str, limit: int) -> bytes:
        """Return the content of the regular file `path`. Raises SourceError, also for more than `limit` bytes."""
        try:
            with os.fdopen(self.open(path), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise SourceError(f"{self.name(path)}: is not a file")
                content = file.read(min(status.st_size, limit) + 1)
        except OSError as cause:
            raise read_error(self.name(path), cause) from None
        if len(content) > limit:
            raise SourceError(f"{self.name(path)}: has more than {limit} bytes")
        return content

    def scan(self, path: str = "") -> list[Entry]:
        """Return what is in the folder `path`, sorted. Raises SourceError."""
        try:
            fd = self.open(path, FOLDER)
            try:
                with os.scandir(fd) as entries:
                    found = [Entry(entry.name, _type(entry)) for entry in entries]
            finally:
                close_read(fd)
        except OSError as cause:
            raise read_error(self.name(path), cause) from None
        return sorted(found, key=lambda entry: entry.name)

    def _open_following(self, path: str, flags: int) -> int:
        """Open `path` through links. Devices and FIFOs, which may wait or act when they are opened, are only named."""
        mode = os.stat(path, dir_fd=self._fd).st_mode
        opened = flags if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else os.O_PATH
        return os.open(path, opened & ~os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)

    def _open_stepwise(self, path: str, flags: int) -> int:
        with closing(Folders(self._fd, flags=PASS_THROUGH)) as folders:
            return folders.open(path, flags)


def read_error(name: str, cause: OSError) -> SourceError:
    """Return the error for `cause`, met when `name` was opened or read."""
    if cause.errno == errno.ENOENT:
        return SourceError(f"{name}: is missing")
    if cause.errno == errno.ELOOP:
        return SourceError(f"{name}: is, or lies behind, a symbolic link, which is not followed")
    return SourceError(f"{name}: cannot be read: {cause.strerror}")


def _type(entry: os.DirEntry[str]) -> int:
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
