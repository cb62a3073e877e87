"""What the disk under a folder does, found by trying it in a folder of our own, which is removed afterwards."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from airpatch.host.facts import Fact, Verdict
from airpatch.linux import exchange, is_folder
from airpatch.units import megabytes

_PREFIX = ".airpatch-doctor-"


def room(name: str, folder: Path) -> Fact:
    """Return for how many bytes and files there is room."""
    status = os.statvfs(folder)
    size = status.f_bavail * status.f_frsize
    text = f"{megabytes(size)} free"
    if not size or (status.f_files and not status.f_favail):
        what = "no bytes" if not size else "no files (inodes)"
        return Fact(name, Verdict.MISSING, f"{folder}: has room for {what}; free some space")
    return Fact(name, Verdict.OK, text if not status.f_files else f"{text}, and room for {status.f_favail:,} files")


def in_the_way(path: Path) -> Path | None:
    """Return what is in the way of the folder `path` or of one above it, and is not a folder."""
    nearest = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return None if is_folder(nearest) else nearest


def rights(name: str, folders: list[Path]) -> Fact:
    """Return whether this process may write into `folders`."""
    closed = [str(folder) for folder in folders if not os.access(folder, os.R_OK | os.W_OK | os.X_OK)]
    user = f"user {os.geteuid()}"
    if closed:
        return Fact(name, Verdict.MISSING, f"{user} cannot write to {', '.join(closed)}; check owner, mode and mount")
    return Fact(name, Verdict.OK, f"{user} can write")


def file_system(folder: Path) -> Iterator[Fact]:
    """Yield what the file system of `folder`, which can be written, does of what applying relies on."""
    try:
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    except OSError as error:
        yield Fact("fsync", Verdict.MISSING, f"{folder}: {error.strerror}")
        return
    try:
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name, attempt, otherwise in _ATTEMPTS:
                yield _tried(name, attempt, otherwise, fd)
        finally:
            os.close(fd)
    finally:
        shutil.rmtree(place)


def _tried(name: str, attempt: Callable[[int], None], otherwise: Fact, fd: int) -> Fact:
    try:
        attempt(fd)
    except OSError as error:
        known = errno.errorcode.get(error.errno or 0, "")
        return Fact(name, otherwise.state, f"{error.strerror} ({known}): {otherwise.text}")
    return Fact(name, Verdict.OK, "works")


def _fsync(folder: int) -> None:
    fd = os.open("synced", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(fd, b"airpatch")
        os.fsync(fd)
    finally:
        os.close(fd)
    os.fsync(folder)


def _exchange(folder: int) -> None:
    for name in ("one", "other"):
        os.mkdir(name, dir_fd=folder)
    exchange("one", "other", dir_fd=folder, other_fd=folder)


def _link(folder: int) -> None:
    os.link("synced", "linked", src_dir_fd=folder, dst_dir_fd=folder)


def _lock(folder: int) -> None:
    fd = os.open("synced", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)


_ATTEMPTS: tuple[tuple[str, Callable[[int], None], Fact], ...] = (
    ("fsync", _fsync, Fact("fsync", Verdict.MISSING, "this file system cannot protect anything from a power failure")),
    (
        "rename exchange",
        _exchange,
        Fact("rename exchange", Verdict.LIMITED, "a folder is briefly missing while it is replaced"),
    ),
    ("hard links", _link, Fact("hard links", Verdict.MISSING, "apply needs hard links to give blobs their names")),
    ("locks", _lock, Fact("locks", Verdict.MISSING, "without locks, two runs would interfere with each other")),
)
"""In this order: later attempts use what earlier ones have made."""
