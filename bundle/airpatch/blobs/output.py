"""Where a bundle is written: a file that gets its name when it is complete, or a pipe.

A file is written beside its final name and renamed over it after `fsync`; whatever interrupts it, the final name
holds the old file or none.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import select
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from airpatch.errors import TargetError, UsageError
from airpatch.linux import is_folder, real_path, start_writeback

STDOUT = "-"
"""In place of a path."""
_MAX_PIECES = 512
"""Pieces in one writev; Linux allows 1024 (IOV_MAX)."""
_WRITEBACK = 1 << 20
"""Bytes after which the kernel is asked to begin writing to disk."""

_HEED = 100
"""Milliseconds after which a writer that waits for its reader looks whether it is abandoned."""


class Sink(Protocol):
    """Where the bytes of a bundle go, in order."""

    def write(self, pieces: Sequence[bytes | bytearray | memoryview]) -> None:
        """Append all of `pieces`. Raises TargetError."""

    def abandon(self) -> None:
        """End a `write` that waits in another thread for a reader, and refuse all that follow."""


class DescriptorSink:
    """A sink over an open file descriptor; `name` is for errors."""

    def __init__(self, fd: int, name: str, *, is_file: bool | None = None) -> None:
        self.fd = fd
        self.name = name
        self.size = 0
        self.is_file = stat.S_ISREG(os.fstat(fd).st_mode) if is_file is None else is_file
        """Whether what was written can be read back."""
        self._is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        self._abandoned = False

    def write(self, pieces: Sequence[bytes | bytearray | memoryview]) -> None:
        views = [memoryview(piece) for piece in pieces if piece]
        with self._writable() as fd:
            self._write_all(fd, views)

    def abandon(self) -> None:
        self._abandoned = True

    @contextmanager
    def _writable(self) -> Iterator[int]:
        """Give the descriptor; of a pipe another one that does not block, so that `abandon` is noticed.

        The flag belongs to the open file, which other processes may share: therefore the pipe is opened once more.
        """
        if not self._is_pipe:
            yield self.fd
            return
        try:
            fd = os.open(f"/proc/self/fd/{self.fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # the pipe of another user, or no /proc
            yield self.fd
            return
        try:
            yield fd
        finally:
            os.close(fd)

    def _write_all(self, fd: int, views: list[memoryview]) -> None:
        room = select.poll()
        room.register(fd, select.POLLOUT)
        while views:
            if self._abandoned:
                raise TargetError(f"{self.name}: abandoned")
            try:
                written = os.writev(fd, views[:_MAX_PIECES])
            except BlockingIOError:
                room.poll(_HEED)
                continue
            except OSError as error:
                raise write_error(self.name, error) from None
            if written > _WRITEBACK and self.is_file:
                start_writeback(self.fd, self.size, written)
            self.size += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]


def write_error(name: str, error: OSError) -> TargetError:
    """Return what a failed write to `name` means to the user."""
    hint = {
        errno.ENOSPC: "; free some space or choose another disk",
        errno.EDQUOT: "; the quota is used up",
        errno.EFBIG: "; the file system or the limit of the process (ulimit -f) allows no file of that size",
        errno.EMFILE: "; allow the process more of them (ulimit -n)",
        errno.EPIPE: "; the reader went away",
        errno.EROFS: "; mount it writable or choose another place",
        errno.EACCES: "; check owner and mode",
        errno.EPERM: "; check owner and mode",
        errno.EEXIST: "; name a folder",
        errno.ENOTDIR: "; name a folder",
    }.get(error.errno or 0, "")
    return TargetError(f"{name}: {error.strerror}{hint}")


def require_reachable(path: Path) -> None:
    """Raise TargetError if nobody can tell whether `path` is there: closed folders, loops of links, long names."""
    try:
        path.stat()
    except OSError as cause:
        if cause.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise TargetError(f"{path}: cannot be reached: {cause.strerror}") from None


@contextmanager
def destination(output: str) -> Iterator[DescriptorSink]:
    """Yield a sink for the file `output`, named once the block has succeeded; `-` is standard output.

    Enter it before the work, so that a destination that cannot be written to is reported at once. Raises TargetError,
    UsageError if standard output is a terminal.
    """
    if output != STDOUT:
        with output_file(Path(output)) as sink:
            yield sink
    elif sys.stdout.isatty():
        raise UsageError("standard output is a terminal; redirect it, or name a file with -o")
    else:
        yield DescriptorSink(sys.stdout.fileno(), "standard output", is_file=False)  # never ours to read back


@contextmanager
def output_file(path: Path) -> Iterator[DescriptorSink]:
    """Give a sink whose content becomes the file `path` when the block ends well, and vanishes when not.

    A `path` that is a pipe or a device is written straight through. Raises TargetError.
    """
    require_reachable(path)
    name = str(path)
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            yield from _special(path)
            return
        path = real_path(path)
        if not path.parent.exists():
            raise TargetError(f"{name}: the folder for it is not there; make that first")
        _sweep(path)
        temporary, fd = _temporary(path)
    except OSError as error:
        raise write_error(name, error) from None
    try:
        yield DescriptorSink(fd, name)
        try:
            os.fsync(fd)
            temporary.replace(path)
        except OSError as error:
            raise write_error(name, error) from None
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _prefix(path: Path) -> str:
    """Return how the names of temporary files for the output `path`, and for no other one, begin."""
    return f".{path.name[:40]}.{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}."


def _temporary(path: Path) -> tuple[Path, int]:
    """Return a new temporary file for the output `path`, and its descriptor, locked as long as its writer lives."""
    while True:
        temporary = path.with_name(f"{_prefix(path)}{os.urandom(4).hex()}.partial")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # of file systems without locks, on which nothing is swept
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(OSError):
            if os.path.samestat(os.fstat(fd), temporary.stat()):
                return temporary, fd
        os.close(fd)  # taken for a leftover before it was locked


def _sweep(path: Path) -> None:
    """Remove what killed runs have left of the same output. A folder that cannot be listed is left as it is."""
    with suppress(OSError):
        for name in os.listdir(path.parent):
            if name.startswith(_prefix(path)) and name.endswith(".partial"):
                _remove_unless_locked(path.with_name(name))


def _remove_unless_locked(leftover: Path) -> None:
    with suppress(OSError):
        fd = os.open(leftover, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()
        finally:
            os.close(fd)


def _special(path: Path) -> Iterator[DescriptorSink]:
    if is_folder(path):
        raise TargetError(f"{path}: is a folder; name a file")
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield DescriptorSink(fd, str(path))
    finally:
        os.close(fd)


def _sync_folder(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:  # may be written and not read, so there is no descriptor to sync
        os.sync()
        return
    try:
        os.fsync(fd)
    except OSError as error:
        raise write_error(str(path), error) from None
    finally:
        os.close(fd)
