"""System calls of Linux that Python's `os` lacks."""

from __future__ import annotations

import ctypes
import os

_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)


def syncfs(fd: int) -> None:
    """Have all of the file system that holds `fd` on disk (syncfs(2)). Raises OSError."""
    if _libc.syncfs(ctypes.c_int(fd)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def start_writeback(fd: int, offset: int, size: int) -> None:
    """Let the disk begin with these bytes, so that a later fsync finds little to do (sync_file_range(2)).

    A hint: it waits for nothing, promises nothing, and does nothing where the C library lacks the call.
    """
    call = getattr(_libc, "sync_file_range", None)
    if call is not None:
        call(ctypes.c_int(fd), ctypes.c_int64(offset), ctypes.c_int64(size), ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))
