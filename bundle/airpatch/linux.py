"""System calls of Linux that Python's `os` lacks."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
from contextlib import suppress

_SYNC_FILE_RANGE_WRITE = 2
_RENAME_EXCHANGE = 2
_SYS_OPENAT2 = 437
"""The same on all architectures."""
_RESOLVE_BENEATH_WITHOUT_LINKS = 0x04 | 0x08
"""RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH."""
_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(path: str, flags: int, dir_fd: int) -> int:
    """Open the relative `path` below `dir_fd` (openat2(2), Linux 5.6).

    Raises OSError: ELOOP for a symbolic link in any component, EXDEV where the path leads out of `dir_fd`, ENOSYS or
    EPERM where the call is not to be had.
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
    """Have two files or folders change names at one moment (renameat2(2)).

    Raises OSError: ENOSYS or EINVAL where C library, kernel or file system cannot.
    """
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    flags = ctypes.c_uint(_RENAME_EXCHANGE)
    if call(ctypes.c_int(dir_fd), os.fsencode(name), ctypes.c_int(other_fd), os.fsencode(other), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name, None, other)


def syncfs(fd: int) -> None:
    """Have all of the file system that holds `fd` on disk (syncfs(2)). Raises OSError."""
    if _libc.syncfs(ctypes.c_int(fd)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def large_buffer(size: int) -> mmap.mmap:
    """Memory of `size` zero bytes in huge pages, where the kernel has them (madvise(2)): a fault for each 2 MiB."""
    buffer = mmap.mmap(-1, size)
    with suppress(OSError):
        buffer.madvise(mmap.MADV_HUGEPAGE)
    return buffer


def start_writeback(fd: int, offset: int, size: int) -> None:
    """Let the disk begin with these bytes, so that a later fsync finds little to do (sync_file_range(2)).

    A hint: it waits for nothing, promises nothing, and does nothing where the C library lacks the call.
    """
    call = getattr(_libc, "sync_file_range", None)
    if call is not None:
        call(ctypes.c_int(fd), ctypes.c_int64(offset), ctypes.c_int64(size), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def allow_open_files() -> None:
    """Let the process open as many files as it may at most: the usual limit is low for the sake of select(2) alone.

    A hint: where a sandbox forbids it, the limit stays.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
