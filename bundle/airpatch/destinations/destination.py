"""The folder that images are restored to: parts are made in a hidden folder, and move into place when complete.

Everything goes through directory descriptors, and no symbolic link below the destination is followed. A run holds a
lock on the hidden folder, which only its owner can open; what a run that died has left there is removed by the next.
The destination itself need not be readable. All failures are TargetErrors, except that a registry's root, which is no
destination, is a UsageError.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from airpatch import linux
from airpatch.blobs.folders import ALWAYS, FOLDER, Folders, is_own
from airpatch.blobs.output import write_error
from airpatch.blobs.room import Room, room_at
from airpatch.blobs.tree import Entry, Tree
from airpatch.errors import SourceError, TargetError, UsageError
from airpatch.format.layout import HOME
from airpatch.format.registry import STORAGE

STAGING = ".airpatch-restore"
_OF_A_ROOT = ("docker", HOME)
"""Folders of a registry's root: what registries keep there, and what airpatch does."""
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | ALWAYS


class Destination:
    """The folder `path`, made if it is not there, and locked. Use as a context manager.

    Raises UsageError if `path` is a registry's root, or lies in one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_is_no_root(path)
        self._made = linux.missing_folders(path)
        with self._errors(""):
            linux.make_folders(path)
            self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folders = Folders(self._fd)
        try:
            self._staging = self._lock()
            try:
                with self._errors(STAGING):
                    linux.remove_all(self._staging)
                self.tree = Tree(path)
            except BaseException:
                linux.close_read(self._staging)
                raise
        except BaseException:
            linux.close_read(self._fd)
            linux.remove_empty(self._made)
            raise

    def __enter__(self) -> Destination:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """Remove the hidden folder and, where nothing was placed because of an error, the destination, if it was made
        here.
        """
        try:
            with self._errors(STAGING):
                linux.remove_all(self._staging)
                os.rmdir(STAGING, dir_fd=self._fd)
        finally:
            self.tree.close()
            self._folders.close()
            linux.close_read(self._staging)
            linux.close_read(self._fd)
            if error is not None:
                linux.remove_empty(self._made)

    def make_folder(self, part: str) -> None:
        with self._errors(part):
            os.mkdir(part, dir_fd=self._staging)

    @contextmanager
    def create(self, path: str) -> Iterator[int]:
        """Give a descriptor for reading and writing the new file `path` of a part."""
        with self._errors(path):
            fd = os.open(path, _NEW, 0o644, dir_fd=self._staging)
        try:
            yield fd
        except BaseException:
            linux.close_read(fd)
            raise
        with self._errors(path):
            os.close(fd)

    def link(self, fd: int, path: str) -> None:
        """Give the file that is open as `fd` the name `path` in a part."""
        with self._errors(path):
            try:
                os.link(f"/proc/self/fd/{fd}", path, dst_dir_fd=self._staging, follow_symlinks=True)
            except OSError as cause:
                if cause.errno != errno.EXDEV:
                    raise
                raise TargetError(
                    f"{self.path}: is not on the file system of the root, and hard links cannot reach across: copy"
                ) from None

    def place_folder(self, part: str, path: str) -> None:
        """Move the folder `part` to `path`; a folder that is there goes at the same moment."""
        with self._errors(path):
            fd, name = self._located(path)
            try:
                os.rename(part, name, src_dir_fd=self._staging, dst_dir_fd=fd)
            except OSError as cause:
                if cause.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                linux.replace_folder(part, name, src_dir_fd=self._staging, dst_dir_fd=fd)

    def place_file(self, part: str, path: str) -> None:
        """Move the file `part` to `path`, over a file that is there."""
        with self._errors(path):
            fd, name = self._located(path)
            os.rename(part, name, src_dir_fd=self._staging, dst_dir_fd=fd)

    def remove_folder(self, part: str, path: str) -> None:
        """Remove the folder at `path`: it becomes `part`, which is deleted at the end of the run."""
        if self.tree.status(path) is not None:
            with self._errors(path):
                fd, name = self._located(path)
                linux.set_aside(name, part, src_dir_fd=fd, dst_dir_fd=self._staging)

    def sync(self) -> None:
        """Make everything durable that was done so far."""
        with self._errors(""):
            linux.syncfs(self._staging)

    def room(self) -> Room:
        """Return what the file system can still take."""
        return room_at(self._staging)

    def _lock(self) -> int:
        """Return the hidden folder, locked. Another run may remove it before that, and only while it holds it."""
        while True:
            with self._errors(STAGING):
                with suppress(FileExistsError):
                    os.mkdir(STAGING, 0o700, dir_fd=self._fd)
                try:
                    fd = os.open(STAGING, FOLDER, dir_fd=self._fd)
                except FileNotFoundError:
                    continue
            try:
                with self._errors(STAGING):
                    if not is_own(fd):
                        raise TargetError(f"{self.path / STAGING}: belongs to another user; remove it and run again")
                    os.fchmod(fd, 0o700)
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if self._is_named(fd):
                        return fd
            except TargetError as error:
                linux.close_read(fd)
                if isinstance(error.__cause__, BlockingIOError):
                    raise TargetError(f"{self.path}: another restore is writing into it") from None
                raise
            except BaseException:
                linux.close_read(fd)
                raise
            linux.close_read(fd)

    def _is_named(self, fd: int) -> bool:
        """Return whether the hidden folder is still the one behind `fd`."""
        try:
            status = os.stat(STAGING, dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(status, os.fstat(fd))

    def _located(self, path: str) -> tuple[int, str]:
        """Return the folder that `path` lies in, made if it is not there, and the name of `path` in it, which is to
        move.
        """
        self._folders.forget(path)
        return self._folders.locate(path, create=True)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as cause:
            raise write_error(f"{self.path}/{path}".rstrip("/"), cause) from cause


def check_is_no_root(path: Path, new_root: Path | None = None) -> None:
    """Raise UsageError if `path` is a registry's root, or lies in its storage or in the state that airpatch keeps
    there: nothing that is restored belongs there.

    `new_root` is one that may not be there yet.
    """
    resolved = Path(os.path.realpath(path))
    new = None if new_root is None else Path(os.path.realpath(new_root))
    for above in (resolved, *resolved.parents):
        if (above == new or linux.is_folder(above / STORAGE)) and (
            above == resolved or resolved.relative_to(above).parts[0] in _OF_A_ROOT
        ):
            raise UsageError(f"{path}: belongs to a registry; restore images to a folder of their own")


def leftovers(tree: Tree, folders: Collection[str]) -> list[str]:
    """Return the folders of images below `tree` that are not among `folders`: a later `create` would pack them, too.

    A folder that cannot be read has none.
    """
    found = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = tree.scan(folder)
        except SourceError:
            continue
        if folder and folder not in folders and any(entry.name == "manifest.json" for entry in entries):
            found.append(folder)
        below = [entry.name for entry in entries if entry.is_folder and entry.name != STAGING]
        pending += [f"{folder}/{name}".lstrip("/") for name in below]
    return sorted(found)


def obstacles(tree: Tree, files: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """Yield what is in the way of placing `files` and `folders` below `tree`.

    A file gives way to a new one; so does a folder if it is empty, or an image's, or holds a manifest's signatures.
    """
    files, folders = set(files), set(folders)
    above = {tuple(path.split("/")[:-1]) for path in files | folders}
    for path in sorted({"/".join(parts[:n]) for parts in above for n in range(len(parts) + 1)}):
        status = tree.status(path)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            yield f"{tree.name(path)}: is not a folder; links are not followed"
    for path in sorted(files):
        status = tree.status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield f"{tree.name(path)}: is a folder; move it away"
    for path in sorted(folders):
        status = tree.status(path)
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield f"{tree.name(path)}: is not a folder; move it away"
        elif not _may_go(tree.scan(path)):
            yield f"{tree.name(path)}: is not an image's folder; move it away"


def _may_go(entries: Sequence[Entry]) -> bool:
    known = any(entry.name in ("version", "manifest.json") or entry.name.startswith("signature-") for entry in entries)
    return not entries or (known and not any(entry.is_folder for entry in entries))
