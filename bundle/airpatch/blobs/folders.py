"""What lies below a directory, reached one component at a time through descriptors that follow no symbolic link."""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from airpatch.linux import close_read

ALWAYS = os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NONBLOCK
"""Without waiting where a FIFO has been put."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | ALWAYS
PASS_THROUGH = os.O_PATH | os.O_DIRECTORY | ALWAYS
"""For folders that are searched, and may be unreadable."""
_KEPT = 144
"""Descriptors kept open: more than the 140 folders of the deepest path, so that one call never closes its own."""

MakeFolder = Callable[[str, str, int], int]
"""Makes the folder at a path: its name in the folder that is open as the descriptor. Returns a descriptor of it."""


def make_plainly(path: str, name: str, above: int) -> int:
    """Make a folder with the mode that the process gives, unless another process does. Raises OSError."""
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    return os.open(name, FOLDER, dir_fd=above)


def is_own(folder: int) -> bool:
    """Return whether the open folder belongs to the user to whom what this process makes in it belongs.

    Not always the user of the process: an NFS server gives what root makes to another one (exports(5), root_squash).
    Raises OSError.
    """
    owner = os.fstat(folder).st_uid
    if owner == os.geteuid():
        return True
    probe = f".airpatch-{os.urandom(8).hex()}"
    try:
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | ALWAYS, 0o600, dir_fd=folder)
    except PermissionError:
        return False
    try:
        return os.fstat(fd).st_uid == owner
    finally:
        close_read(fd)
        os.unlink(probe, dir_fd=folder)


class Folders:
    """The directory open as `top`, which remains the caller's to close, and what lies below it.

    Paths are relative, with `/` between components; the empty path is `top` itself. Folders are opened with `flags`,
    and kept open for the next time; `make` makes those that are missing. Not for use by two threads at once. All
    methods raise OSError: ELOOP or ENOTDIR for a symbolic link in any component, EXDEV for `..`.
    """

    def __init__(self, top: int, make: MakeFolder = make_plainly, flags: int = FOLDER) -> None:
        self._top = top
        self._make = make
        self._flags = flags
        self._open: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, path: str) -> bool:
        return path in self._open

    def close(self) -> None:
        while self._open:
            close_read(self._open.popitem()[1])

    def get(self, path: str, *, create: bool = False) -> int:
        """Return a descriptor of the folder `path`, which stays this object's; with `create` it is made if it is
        missing.
        """
        if not path:
            return self._top
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        above, name = self.locate(path, create=create)
        try:
            fd = os.open(name, self._flags, dir_fd=above)
        except FileNotFoundError:
            if not create:
                raise
            fd = self._make(path, name, above)
        self.keep(path, fd)
        return fd

    def locate(self, path: str, *, create: bool = False) -> tuple[int, str]:
        """Return the folder that `path` lies in, as `get` gives it, and the name of `path` there."""
        folder, _, name = path.rpartition("/")
        if name == "..":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        return self.get(folder, create=create), name or "."

    def open(self, path: str, flags: int = READ, mode: int = 0o777) -> int:
        """Return a descriptor of `path`, which the caller closes."""
        above, name = self.locate(path)
        return os.open(name, flags | ALWAYS, mode, dir_fd=above)

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of what `path` names, of a symbolic link its own; None if there is nothing."""
        try:
            above, name = self.locate(path)
            return os.stat(name, dir_fd=above, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def keep(self, path: str, fd: int) -> None:
        """Have `fd` be the descriptor of the folder `path`, which is not held open yet."""
        self._open[path] = fd
        if len(self._open) > _KEPT:
            close_read(self._open.popitem(last=False)[1])

    def forget(self, path: str) -> None:
        """Close the descriptors of `path` and of all folders above and below it."""
        self._close(lambda known: f"{path}/".startswith(f"{known}/") or known.startswith(f"{path}/"))

    def forget_below(self, path: str) -> None:
        """Close the descriptors of all folders below `path`."""
        self._close(lambda known: known.startswith(f"{path}/"))

    def _close(self, is_meant: Callable[[str], bool]) -> None:
        for path in list(filter(is_meant, self._open)):
            close_read(self._open.pop(path))
