"""The files below a root as they are written: made in staging, named, moved, removed, brought to the disk.

Nothing here decides what is written: the order of writes is `publish`'s. All failures are TargetErrors that name the
path and the cause.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from airpatch.blobs.folders import FOLDER
from airpatch.blobs.output import write_error
from airpatch.errors import TargetError
from airpatch.format.layout import HOME
from airpatch.format.registry import STORAGE
from airpatch.linux import (
    SYNCFS_REPORTS_ERRORS,
    close_read,
    remove_all,
    remove_empty,
    rename_folder,
    replace_folder,
    set_aside,
    syncfs,
)
from airpatch.target.new_root import make_root, require_root
from airpatch.target.ownership import LOCK_MODE, Ownership
from airpatch.target.root_reader import STAGING, RootReader

_NEW_FOLDER = "new-folder"
"""The name of a folder in staging until it is complete."""


class Root(RootReader):
    """The directory that holds `docker/registry/v2`, read and written.

    New files and folders get the marks of the registry's storage (`Ownership`). A folder is made in staging and
    moved into place, so that at any moment it is there with its marks or not at all. Not for use by two threads at
    once.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self._made: list[Path] = []
        try:
            if create:
                self._made = make_root(path)
        except OSError as error:
            raise write_error(str(path), error) from None
        super().__init__(path, self._new_folder)
        try:
            self._ownership = self._storage_ownership()
        except BaseException:
            self.close()
            raise

    @property
    def is_new(self) -> bool:
        """Whether this object made the directory."""
        return bool(self._made)

    def make_folder(self, path: str) -> None:
        """Make `path` and all folders above it."""
        with self._errors(path):
            self._folders.get(path, create=True)

    def make_workplace(self) -> None:
        """Make `HOME` and `STAGING`, and give them their marks: a run that was killed may not have got that far."""
        with self._errors(STAGING):
            above = self._fd
            self._folders.forget(HOME)
            for path in (HOME, STAGING):
                name = path.rpartition("/")[2]
                try:
                    fd = os.open(name, FOLDER, dir_fd=above)
                except FileNotFoundError:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=above)
                    fd = os.open(name, FOLDER, dir_fd=above)
                self._folders.keep(path, fd)
                above = fd
                with suppress(PermissionError):  # of another user, who lets this one write
                    self._ownership.give_folder(above)

    def remove_home(self) -> None:
        """Remove `HOME` if it is empty, and then a directory that this object made."""
        if self.remove_folder(HOME):
            remove_empty(self._made)
            self._made = []

    def open_lock(self, path: str, *, create: bool = True) -> int:
        """Return a descriptor of the file `path` that only its owner can open, and so lock.

        It is made if it is not there, and gets its marks, but for `create`. Raises FileNotFoundError if its folder is
        gone, or without `create` the file.
        """
        with self._errors(path):
            flags = os.O_RDWR | os.O_NONBLOCK
            try:
                fd = self._folders.open(path, flags)
            except FileNotFoundError:
                if not create:
                    raise
                fd = self._folders.open(path, flags | os.O_CREAT, LOCK_MODE)
            try:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                    raise TargetError(f"{self.path / path}: is not a regular file of its own; remove it and run again")
                if create and status.st_nlink and status.st_uid in (os.geteuid(), self._ownership.uid):
                    with suppress(PermissionError):
                        self._ownership.give_file(fd, LOCK_MODE)
            except BaseException:
                os.close(fd)
                raise
            return fd

    def create(self, path: str) -> int:
        """Return a descriptor of the new file `path`, to write and read, which the caller closes. Its folder must
        exist.
        """
        with self._errors(path):
            fd = self._folders.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                self._ownership.give_file(fd)
            except BaseException:
                os.close(fd)
                raise
            return fd

    def write(self, path: str, content: bytes) -> None:
        """Make the small file `path`. Not durable before `sync`."""
        fd = self.create(path)
        with self._errors(path), os.fdopen(fd, "wb") as file:
            file.write(content)

    def link(self, source: str, path: str) -> bool:
        """Give the file `source` a second name; False if `path` is there already. Makes the folders above.

        A symbolic link that somebody has put at `source` is not followed: linkat(2) without AT_SYMLINK_FOLLOW.
        """
        try:
            self._call_with_two_names(_link, source, path)
        except FileExistsError:
            return False
        return True

    def rename(self, source: str, path: str) -> None:
        """Move the file `source` to `path`, over what is there. Makes the folders above."""
        self._call_with_two_names(os.rename, source, path)

    def move_folder(self, source: str, path: str) -> bool:
        """Move the folder `source`, with all that it holds, to `path`; False if something is there already."""
        self._folders.forget(source)
        self._folders.forget(path)
        try:
            self._call_with_two_names(os.rename, source, path)
        except FileExistsError:
            return False
        except TargetError as error:
            if _is_not_empty(error):
                return False
            raise
        return True

    def swap_folder(self, source: str, path: str) -> None:
        """Move the folder `source` to `path`; a folder that is there takes its place, both at one moment.

        Where the file system cannot exchange names, nothing is at `path` for a moment; a folder in a lower layer of an
        overlay stays, and gets the files of `source` one after the other.
        """
        if not self.move_folder(source, path):
            self._call_with_two_names(replace_folder, source, path)

    def set_aside(self, path: str, aside: str) -> bool:
        """Move the folder `path` to `aside`, where nothing is; False if it was removed instead, since it is in a lower
        layer of an overlay.
        """
        self._folders.forget(path)
        self._call_with_two_names(set_aside, path, aside)
        return self.is_folder(aside)

    def unlink(self, path: str) -> bool:
        """Remove the file `path`; False if it was not there."""
        try:
            with self._errors(path):
                above, name = self._folders.locate(path)
                os.unlink(name, dir_fd=above)
        except FileNotFoundError:
            return False
        return True

    def remove_folder(self, path: str) -> bool:
        """Remove the folder `path` if it is empty; return whether it is gone."""
        self._folders.forget(path)
        try:
            with self._errors(path):
                above, name = self._folders.locate(path)
                os.rmdir(name, dir_fd=above)
        except FileNotFoundError:
            return True
        except TargetError as error:
            if _is_not_empty(error):
                return False
            raise
        return True

    def remove_tree(self, path: str) -> None:
        """Remove `path` and all below it, whatever it is and however deep; links are removed, not followed."""
        if self.is_folder(path):
            self.clear_folder(path)
            self.remove_folder(path)
        else:
            self.unlink(path)

    def clear_folder(self, path: str) -> None:
        """Remove all that is in the folder `path`, if that is there."""
        with suppress(FileNotFoundError), self._errors(path):
            folder = self._folders.get(path)
            self._folders.forget_below(path)
            remove_all(folder)

    def sync(self, written: list[str]) -> None:
        """Make everything durable that was done so far. `written` are the files since the last `sync`.

        One syncfs for all of them: an fsync of each costs a flush of the disk's cache. A failed one is never
        repeated, since the kernel forgets what it could not write. Raises TargetError.
        """
        with self._errors("."):
            if not SYNCFS_REPORTS_ERRORS:
                for path in written:
                    self._fsync(path)
            syncfs(self._fd)

    def _storage_ownership(self) -> Ownership:
        """Return the marks of the registry's storage, or of the root where there is none yet."""
        with self._errors(STORAGE):
            try:
                return Ownership.of(self._folders.get(STORAGE))
            except FileNotFoundError:
                return Ownership.of(self._fd)

    def _fsync(self, path: str) -> None:
        fd = self.open(path)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _call_with_two_names(self, call: Callable[..., None], source: str, path: str) -> None:
        """Link, rename or exchange `source` and `path`, whose folders are made and looked up here."""
        with self._errors(path):
            above, source_name = self._folders.locate(source)
            origin = os.dup(above)  # making the folders above `path` may close the one kept open
            try:
                self._call_into_folder(call, source_name, origin, path)
            except FileNotFoundError:
                # A registry's garbage collection may have removed a folder that is held open here.
                self._folders.forget(path.rpartition("/")[0])
                try:
                    self._call_into_folder(call, source_name, origin, path)
                except FileNotFoundError:
                    raise TargetError(f"{self.path / source}: vanished while airpatch was running") from None
            finally:
                close_read(origin)

    def _call_into_folder(self, call: Callable[..., None], source: str, origin: int, path: str) -> None:
        """Call with the name `source` in the folder `origin`, and with the name of `path` in its folder."""
        folder, name = self._folders.locate(path, create=True)
        try:
            call(source, name, src_dir_fd=origin, dst_dir_fd=folder)
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise TargetError(
                    f"{self.path / path}: {source} cannot be moved there (cross-device): it is on another mount, or in "
                    "a lower layer of an overlay, whose folders stay; put all of the root on a volume of its own"
                ) from error
            raise

    def _new_folder(self, path: str, name: str, above: int) -> int:
        """Make the folder `name` in the folder `above`; in staging at once, else there first."""
        if path.startswith(f"{STAGING}/"):
            aside, new = above, name
        else:
            if STAGING not in self._folders:
                self.make_workplace()
            aside, new = self._folders.get(STAGING), _NEW_FOLDER
        os.mkdir(new, 0o755, dir_fd=aside)
        fd = os.open(new, FOLDER, dir_fd=aside)
        try:
            self._ownership.give_folder(fd)
            if aside != above:
                rename_folder(new, name, dir_fd=aside, other_fd=above)
        except FileExistsError:
            os.close(fd)
            os.rmdir(new, dir_fd=aside)
            return os.open(name, FOLDER, dir_fd=above)
        except BaseException:
            os.close(fd)
            raise
        return fd


def open_root(path: Path) -> Root:
    """Return the root at `path`, which must hold a registry's storage. Raises UsageError, and TargetError as
    Root does.
    """
    require_root(path)
    return Root(path)


def _link(name: str, other: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    os.link(name, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)


def _is_not_empty(error: TargetError) -> bool:
    """Return whether a folder could not be removed or replaced because there is something in it."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOTEMPTY, errno.EEXIST)
