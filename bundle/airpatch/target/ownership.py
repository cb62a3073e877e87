"""Owner, mode, access control lists and labels of new files and folders on a root: those of the registry's storage.

A registry often runs as a user of its own, in a security domain of its own, and has to read and extend what an
administrator has applied. New things get their marks before they get their names, so that a run that is killed leaves
none without them (spec/TARGET.md, Places).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from contextlib import suppress
from dataclasses import dataclass

from airpatch.extended_attributes import attribute, attribute_names, set_attribute

FILE_MODE, FOLDER_MODE, LOCK_MODE = 0o644, 0o755, 0o600
_ACCESS, _DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_LABELS = ("security.selinux", "security.SMACK64")
_HEADER, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
"""The value of both attributes: a version, then tag, permissions and id of each entry (Linux `posix_acl_xattr.h`)."""
_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x04, 0x10, 0x20
_UNAVAILABLE = (errno.EOPNOTSUPP, errno.EPERM, errno.EACCES, errno.EINVAL)
"""Not available on this file system, or not to this process."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What new files and folders get, as far as the process may set it. Made by `of`."""

    uid: int
    gid: int
    inherits_group: bool
    """Whether folders pass their group on (the set-group-ID bit of folders)."""
    access: bytes | None
    """The entries that new things get: those of the default ACL, else of a folder's own."""
    default: bytes | None
    labels: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, fd: int) -> Ownership:
        """Return the marks of the folder `fd`. Raises OSError."""
        status = os.fstat(fd)
        names = _attributes(fd)
        default = attribute(fd, _DEFAULT) if _DEFAULT in names else None
        access = default or (attribute(fd, _ACCESS) if _ACCESS in names else None)
        marks = [name for name in names if name in _LABELS or name.startswith("user.")]
        labels = tuple((name, value) for name in sorted(marks) if (value := attribute(fd, name)) is not None)
        return cls(status.st_uid, status.st_gid, bool(status.st_mode & stat.S_ISGID), access, default, labels)

    def give_file(self, fd: int, mode: int = FILE_MODE) -> None:
        """Mark the new file `fd`. Raises OSError."""
        self._give(fd, mode, 0o666 if mode == FILE_MODE else mode)

    def give_folder(self, fd: int) -> None:
        """Mark the new folder `fd`. Raises OSError."""
        self._give(fd, self.folder_mode, 0o777)
        if self.default is not None:
            _set(fd, _DEFAULT, self.default)

    @property
    def folder_mode(self) -> int:
        return FOLDER_MODE | (stat.S_ISGID if self.inherits_group else 0)

    def _give(self, fd: int, mode: int, most: int) -> None:
        status = os.fstat(fd)
        if (status.st_uid, status.st_gid) != (self.uid, self.gid):
            self._give_owner(fd)
        if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
            os.fchmod(fd, mode)
        if self.access is not None and most != LOCK_MODE:
            _set(fd, _ACCESS, _limited(self.access, most))
        for name, value in self.labels:
            _set(fd, name, value)

    def _give_owner(self, fd: int) -> None:
        with suppress(PermissionError):
            os.fchown(fd, self.uid if os.geteuid() == 0 else -1, self.gid)


def _attributes(fd: int) -> list[str]:
    try:
        return attribute_names(fd)
    except OSError as error:
        if error.errno not in _UNAVAILABLE:
            raise
        return []


def _set(fd: int, name: str, value: bytes) -> None:
    try:
        if name not in _attributes(fd) or attribute(fd, name) != value:
            set_attribute(fd, name, value)
    except OSError as error:
        if error.errno not in _UNAVAILABLE:
            raise


def _limited(acl: bytes, mode: int) -> bytes:
    """Return the entries of `acl` for something made with `mode`: as the kernel inherits a default ACL (acl(5))."""
    entries = list(_ENTRY.iter_unpack(acl[_HEADER.size :]))
    group = _MASK if any(tag == _MASK for tag, _, _ in entries) else _GROUP_OBJ
    most = {_USER_OBJ: mode >> 6 & 7, group: mode >> 3 & 7, _OTHER: mode & 7}
    limited = [(tag, permissions & most.get(tag, 7), id_) for tag, permissions, id_ in entries]
    return acl[: _HEADER.size] + b"".join(_ENTRY.pack(*entry) for entry in limited)
