"""System calls of Linux that Python's `os` lacks."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_SYNC_FILE_RANGE_WRITE = 2
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SYS_OPENAT2 = 437
"""The same on all architectures."""
_RESOLVE_BENEATH_WITHOUT_LINKS = 0x04 | 0x08
"""RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH."""
_PUNCH_HOLE = 0x01 | 0x02
"""FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE."""
_MUCH_WORK = 4 << 20
"""Bytes of a layer, after work on which much memory is free."""
_TIMEX = 256
"""Bytes; struct timex has 208 on 64 bits."""
_TIME_ERROR = 5
_libc = ctypes.CDLL(None, use_errno=True)


def kernel_version() -> tuple[int, int]:
    """Return the first two numbers of the version of Linux."""
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()))


SYNCFS_REPORTS_ERRORS = kernel_version() >= (5, 8)
"""Whether syncfs reports failed writes (Linux 5.8, syncfs(2)); before, only fsync of each file did."""


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(path: str, flags: int, dir_fd: int) -> int:
    """Open the relative `path` below `dir_fd` (openat2(2), Linux 5.6).

    Raises OSError: ELOOP for a symbolic link in any component, EXDEV where the path leads out of `dir_fd`, ENOSYS or
    EPERM where the call is not available.
    """
    how = _OpenHow(flags, 0, _RESOLVE_BENEATH_WITHOUT_LINKS)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    number = ctypes.c_long(_SYS_OPENAT2)
    fd = int(_libc.syscall(number, ctypes.c_int(dir_fd), os.fsencode(path), ctypes.byref(how), size))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return fd


def exchange(name: str, other: str, *, dir_fd: int, other_fd: int) -> None:
    """Exchange the names of two files or folders atomically (renameat2(2), RENAME_EXCHANGE).

    Raises OSError: ENOSYS or EINVAL where C library, kernel or file system cannot.
    """
    _rename(name, other, _RENAME_EXCHANGE, dir_fd, other_fd)


def replace_folder(name: str, other: str, *, src_dir_fd: int, dst_dir_fd: int, may_fill: bool = True) -> None:
    """Move the folder `name` to `other` and the folder that is there to `name`, both atomically.

    Where the C library, the kernel or the file system cannot exchange names, the old folder becomes `name`-old, and
    nothing is at `other` for a moment; if the new folder then cannot be moved, the old one is put back. A folder in a
    lower layer of an overlay cannot be moved at all: it gets the files one after the other, or EXDEV is raised unless
    it `may_fill` the folder so. Raises OSError.
    """
    try:
        exchange(name, other, dir_fd=src_dir_fd, other_fd=dst_dir_fd)
    except OSError as error:
        if error.errno == errno.EXDEV and may_fill:
            _fill_folder(name, other, src_dir_fd, dst_dir_fd)
            return
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
    else:
        return
    aside = f"{name}-old"
    os.rename(other, aside, src_dir_fd=dst_dir_fd, dst_dir_fd=src_dir_fd)
    try:
        os.rename(name, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
    except BaseException:
        os.rename(aside, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        raise


def _fill_folder(name: str, other: str, src_dir_fd: int, dst_dir_fd: int) -> None:
    """Move the files of the folder `name` into the folder `other`, then remove all else there.

    An image's `manifest.json` comes last, so that what is there names what is there.
    """
    source = os.open(name, _FOLDER, dir_fd=src_dir_fd)
    try:
        target = os.open(other, _FOLDER, dir_fd=dst_dir_fd)
        try:
            names = sorted(os.listdir(source), key=lambda each: (each == "manifest.json", each))
            for each in names:
                os.rename(each, each, src_dir_fd=source, dst_dir_fd=target)
            for each in set(os.listdir(target)).difference(names):
                _remove_tree(each, target)
        finally:
            close_read(target)
    finally:
        close_read(source)


def memory_file() -> int | None:
    """Return the descriptor of an empty file in memory (memfd_create(2)), None where Python or the system has none."""
    create = getattr(os, "memfd_create", None)  # not in a Python that was built for glibc before 2.27
    with suppress(OSError):
        return None if create is None else int(create("airpatch scratch"))
    return None


def close_read(fd: int) -> None:
    """Close a descriptor through which nothing was written: an error from NFS or FUSE at this point means no loss."""
    with suppress(OSError):
        os.close(fd)


def set_aside(name: str, other: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    """Move the folder `name` to `other`, where nothing is; one in a lower layer of an overlay, which cannot be moved,
    is removed, and nothing is at `other`. Raises OSError.
    """
    try:
        os.rename(name, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _remove_tree(name, src_dir_fd)


def _remove_tree(name: str, dir_fd: int) -> None:
    """Remove the file or folder `name` and all that is in it. Raises OSError."""
    if not _removed(name, dir_fd):
        folder = os.open(name, _FOLDER, dir_fd=dir_fd)
        try:
            remove_all(folder)
        finally:
            close_read(folder)
        os.rmdir(name, dir_fd=dir_fd)


def rename_folder(name: str, other: str, *, dir_fd: int, other_fd: int) -> None:
    """Move the folder `name` to `other`, where nothing may be (renameat2(2), RENAME_NOREPLACE).

    Where C library, kernel or file system cannot tell (NFS), an empty folder at `other` is replaced. Raises OSError:
    FileExistsError for anything else that is there.
    """
    try:
        _rename(name, other, _RENAME_NOREPLACE, dir_fd, other_fd)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
        try:
            os.rename(name, other, src_dir_fd=dir_fd, dst_dir_fd=other_fd)
        except OSError as cause:
            if cause.errno in (errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), other) from None
            raise


def _rename(name: str, other: str, how: int, dir_fd: int, other_fd: int) -> None:
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = os.fsencode(name), os.fsencode(other)
    if call(ctypes.c_int(dir_fd), names[0], ctypes.c_int(other_fd), names[1], ctypes.c_uint(how)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name, None, other)


def punch_hole(fd: int, start: int, size: int) -> bool:
    """Give up the disk space of `size` bytes of a file from `start` on, which then read as zeros (fallocate(2)).

    Return whether the file system can do that: NFS 3 and some others cannot.
    """
    call = getattr(_libc, "fallocate", None)
    words = ctypes.c_int(fd), ctypes.c_int(_PUNCH_HOLE), ctypes.c_int64(start), ctypes.c_int64(size)
    return call is not None and size > 0 and call(*words) == 0


def mount_of(fd: int) -> int:
    """Return a number of the mount that the open file `fd` lies on: names cannot be given across mounts, not even of
    one file system (link(2), EXDEV). Without /proc it is that of the file system. Raises OSError.
    """
    with suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{fd}").read_bytes().splitlines():
            if line.startswith(b"mnt_id:"):
                return int(line.removeprefix(b"mnt_id:"))
    return os.fstat(fd).st_dev


def is_folder(path: Path) -> bool:
    """Return whether `path` is a folder that can be reached: not below a closed one, nor by a loop or a long name."""
    return _has(path, stat.S_ISDIR)


def is_file(path: Path) -> bool:
    """Return whether `path` is a regular file that can be reached, as `is_folder`."""
    return _has(path, stat.S_ISREG)


def is_pipe(path: Path) -> bool:
    """Return whether `path` is a pipe that can be reached, as `is_folder`."""
    return _has(path, stat.S_ISFIFO)


def begins_with(path: Path, magic: bytes) -> bool:
    """Return whether `path` is a regular file that can be read and begins with `magic`."""
    if not is_file(path):
        return False
    with suppress(OSError), path.open("rb", buffering=0) as file:
        return file.read(len(magic)) == magic
    return False


def _has(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_start(path: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a file, or of a pipe that has a writer. Raises OSError; it never waits."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as file:
        start: bytes | None = b""
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            start = file.read(1)  # None where a writer has not written yet
            if start == b"":
                raise OSError(errno.ENXIO, "it is a pipe that nobody writes to")
        os.set_blocking(fd, True)
        found = bytearray(start or b"")
        while len(found) < limit and (piece := file.read(limit - len(found))):
            found += piece
        return bytes(found)


def real_path(path: Path) -> Path:
    """`path`, absolute, with links resolved as far as they lead somewhere."""
    return Path(os.path.realpath(path))


def nearest_folder(path: Path) -> Path:
    """Return the absolute `path`, or the nearest folder above it that is there."""
    absolute = path.absolute()
    return next(each for each in (absolute, *absolute.parents) if is_folder(each))


def missing_folders(path: Path) -> list[Path]:
    """Return `path`, absolute, and those above it that are not there, the uppermost first."""
    path = path.absolute()
    missing: list[Path] = []
    while not os.path.lexists(path):
        missing.insert(0, path)
        path = path.parent
    return missing


def make_folders(path: Path) -> None:
    """Make `path`, and those above it that are missing, however deep; pathlib recurses. Raises OSError."""
    for folder in (*missing_folders(path)[:-1], path):
        folder.mkdir(exist_ok=True)


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove `folders`, as `missing_folders` orders them, as far as they are empty."""
    with suppress(OSError):
        for folder in reversed(folders):
            folder.rmdir()


def remove_all(dir_fd: int) -> None:
    """Remove whatever is in the folder `dir_fd`, however deep, with two descriptors; links are not followed.

    A folder that is not empty gives its own folders to `dir_fd`, under new names, before it goes. Raises OSError.
    """
    number = 0
    while names := os.listdir(dir_fd):
        for name in names:
            if _removed(name, dir_fd):
                continue
            folder = os.open(name, _FOLDER, dir_fd=dir_fd)
            try:
                if os.fstat(folder).st_uid == os.geteuid():
                    os.fchmod(folder, 0o700)
                for below in os.listdir(folder):
                    if not _removed(below, folder):
                        number += 1
                        set_aside(below, f"{number}.{os.urandom(4).hex()}", src_dir_fd=folder, dst_dir_fd=dir_fd)
            finally:
                close_read(folder)
            _removed(name, dir_fd)


def _removed(name: str, dir_fd: int) -> bool:
    """Remove the file or empty folder `name`; False for a folder that is not empty."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        return _removed_folder(name, dir_fd, error)
    return True


def _removed_folder(name: str, dir_fd: int, error: OSError) -> bool:
    try:
        os.rmdir(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        raise error from None
    except OSError as cause:
        if cause.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def syncfs(fd: int) -> None:
    """Write everything on the file system of `fd` to disk (syncfs(2)). Raises OSError."""
    if _libc.syncfs(ctypes.c_int(fd)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def trim_heap(after: int) -> None:
    """Give freed memory back to the system, where the C library keeps it and can do that (malloc_trim(3)).

    It is kept after work on few bytes: to get it anew would take the next such work a tenth of its time.
    """
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None and after >= _MUCH_WORK:
        trim(0)


def start_writeback(fd: int, offset: int, size: int) -> None:
    """Start writing these bytes to disk, so that a later fsync finds little to do (sync_file_range(2)).

    A hint: it waits for nothing, promises nothing, and does nothing where the C library lacks the call.
    """
    call = getattr(_libc, "sync_file_range", None)
    if call is not None:
        call(ctypes.c_int(fd), ctypes.c_int64(offset), ctypes.c_int64(size), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def is_clock_synchronized() -> bool:
    """Return whether something keeps the system's clock right (adjtimex(2)); False if the call is not available."""
    call = getattr(_libc, "adjtimex", None)
    timex = (ctypes.c_uint8 * _TIMEX)()  # zeros: change nothing, tell the state
    return call is not None and call(ctypes.byref(timex)) not in (-1, _TIME_ERROR)


def allow_open_files() -> None:
    """Raise the limit of open files to what the process may have: the usual one is low for the sake of select(2) alone.

    A hint: where a sandbox forbids it, the limit stays.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
