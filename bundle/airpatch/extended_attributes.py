"""Extended attributes of open files (xattr(7)).

By the C library: a CPython that was built for musl, as that of Alpine, has no functions for them in `os`.
"""

from __future__ import annotations

import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)
_MOST = 64 << 10
"""Bytes of a value, or of all names (XATTR_SIZE_MAX, XATTR_LIST_MAX of Linux)."""


def attribute_names(fd: int) -> list[str]:
    """Return the names of the attributes of the open file `fd` (flistxattr(2)). Raises OSError."""
    room = ctypes.create_string_buffer(_MOST)
    size = _done(_libc.flistxattr(ctypes.c_int(fd), room, ctypes.c_size_t(_MOST)))
    return [os.fsdecode(name) for name in ctypes.string_at(room, size).split(b"\0")[:-1]]


def attribute(fd: int, name: str) -> bytes | None:
    """Return the value of an attribute of the open file `fd`, None where it has none of that name (fgetxattr(2)).

    Raises OSError.
    """
    room = ctypes.create_string_buffer(_MOST)
    try:
        size = _done(_libc.fgetxattr(ctypes.c_int(fd), os.fsencode(name), room, ctypes.c_size_t(_MOST)))
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None
    return ctypes.string_at(room, size)


def set_attribute(fd: int, name: str, value: bytes) -> None:
    """Give the open file `fd` an attribute, in place of one of that name (fsetxattr(2)). Raises OSError."""
    _done(_libc.fsetxattr(ctypes.c_int(fd), os.fsencode(name), value, ctypes.c_size_t(len(value)), ctypes.c_int(0)))


def _done(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
