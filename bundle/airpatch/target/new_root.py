"""Where a root may be, and how a new one is made: completely, with its mode, or not at all.

The missing folders of its path are made beside their final place, under a hidden name that the run locks, and are moved
there together. The next run reuses what a killed run has left there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from airpatch.blobs.folders import is_own
from airpatch.blobs.output import require_reachable, write_error
from airpatch.errors import TargetError, UsageError
from airpatch.format.registry import STORAGE
from airpatch.linux import is_folder, missing_folders, remove_all, rename_folder
from airpatch.target.ownership import FOLDER_MODE

_STORAGE_ABOVE = "docker/registry"
"""What is there of a registry's storage whose content somebody has removed."""
_SHOWN = 3
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_place(path: Path) -> None:
    """Raise UsageError if `path` lies inside the storage of a registry, whose root is meant."""
    resolved = Path(os.path.realpath(path))
    for above in (resolved, *resolved.parents):
        if resolved.is_relative_to(above / "docker") and is_folder(above / STORAGE):
            raise UsageError(f"{path}: lies inside a registry's storage; name its root, {above}")


def check_target(path: Path) -> None:
    """Raise UsageError if `path` can hardly be meant as a registry's root: it holds other things, or lies inside one.
    Raise TargetError if it is a link to nothing, or cannot be reached.

    What may become a root is not there yet, or holds nothing but hidden names and those that a file system comes with.
    """
    check_place(path)
    if is_folder(path / STORAGE):
        return
    require_reachable(path)
    if path.is_symlink() and not path.exists():
        raise TargetError(f"{path}: is a link to {path.readlink()}, which is not there; mount or make that first")
    usual = {"lost+found", *(["docker"] if is_folder(path / _STORAGE_ABOVE) else [])}
    others: list[str] = []
    with suppress(OSError):  # told by whoever opens it
        others = sorted(name for name in os.listdir(path) if not name.startswith(".") and name not in usual)
    if others:
        held = ", ".join(others[:_SHOWN]) + (" and more" if len(others) > _SHOWN else "")
        raise UsageError(
            f"{path}: is neither a registry's root (which holds {STORAGE}) nor empty: it holds {held}; name the root, "
            "or a folder that is empty or not there yet"
        )


def require_root(path: Path) -> None:
    """Raise UsageError unless `path` is a registry's root."""
    check_place(path)
    require_reachable(path)
    if not path.exists():
        raise UsageError(f"{path}: is not a registry's root: no such folder")
    if not is_folder(path):
        raise UsageError(f"{path}: is a file, where a registry's root is expected")
    if not is_folder(path / STORAGE):
        raise UsageError(f"{path}: is not a registry's root (which holds {STORAGE})")


def require_place(path: Path) -> None:
    """Raise TargetError unless the folder `path` can be made or, where it is there, be written to. Changes nothing."""
    require_reachable(path)
    above = next(each for each in (path, *path.parents) if os.path.lexists(each))
    longest = max((len(os.fsencode(name)) for name in path.relative_to(above).parts), default=0)
    code = 0
    if not is_folder(above):
        code = errno.ENOTDIR
    elif longest > os.statvfs(above).f_namemax:
        code = errno.ENAMETOOLONG
    elif not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        code = errno.EROFS if os.statvfs(above).f_flag & os.ST_RDONLY else errno.EACCES
    if code:
        raise write_error(str(above), OSError(code, os.strerror(code)))


def make_root(path: Path) -> list[Path]:
    """Make the folder `path` and those above it that are missing, with the mode 0755 whatever the umask.

    Returns those that were made, the uppermost first; a folder that is there, or comes meanwhile, stays as it is.
    Raises OSError, and TargetError if another run is making them.
    """
    missing = missing_folders(path)
    if not missing:
        return []
    if any(folder.name == ".." for folder in missing):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    above = os.open(missing[0].parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return missing if _make([folder.name for folder in missing], above, missing[0]) else []
    finally:
        os.close(above)


def _make(names: Sequence[str], above: int, first: Path) -> bool:
    """Make a chain of folders in `above`; False if there is something now."""
    aside = f".{names[0][:200]}.airpatch-new"
    with suppress(FileExistsError):
        os.mkdir(aside, FOLDER_MODE, dir_fd=above)
    fd = os.open(aside, _FOLDER, dir_fd=above)
    try:
        if not is_own(fd):
            raise TargetError(f"{first.parent / aside}: belongs to another user; remove it and run again")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetError(f"{first}: another airpatch is making this folder; run again") from None
        try:
            remove_all(fd)
            _below(names[1:], fd)
            rename_folder(aside, names[0], dir_fd=above, other_fd=above)
        except OSError as error:
            remove_all(fd)
            os.rmdir(aside, dir_fd=above)
            if isinstance(error, FileExistsError):
                return False
            raise
    finally:
        os.close(fd)
    return True


def _below(names: Sequence[str], fd: int) -> None:
    """Give the folder `fd` its mode, and a chain of folders below it."""
    above = os.dup(fd)
    try:
        os.fchmod(above, FOLDER_MODE | os.fstat(above).st_mode & stat.S_ISGID)
        for name in names:
            os.mkdir(name, FOLDER_MODE, dir_fd=above)
            below = os.open(name, _FOLDER, dir_fd=above)
            os.close(above)
            above = below
            os.fchmod(above, FOLDER_MODE | os.fstat(above).st_mode & stat.S_ISGID)
    finally:
        os.close(above)
