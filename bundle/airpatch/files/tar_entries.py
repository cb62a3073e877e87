"""The members of a layer of files: what they may be, and the one way in which each is written (spec/FILES.md, A layer).

Names are relative, UTF-8 and as they are on disk. Times and owners are fixed, so that the same files give the same
bytes; of the mode the permissions count. Symbolic links stay inside the folder.
"""

from __future__ import annotations

import stat
import tarfile
from dataclasses import dataclass

from airpatch.errors import FormatError

MAX_ENTRIES = 1 << 20
"""Files and folders of one artifact."""
_MAX_NAME = 4096
_TYPES = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A member: its path below the folder, its file type (`stat.S_IFMT`), permissions, size in bytes, link target."""

    path: str
    type: int
    mode: int
    size: int = 0
    target: str = ""

    def __post_init__(self) -> None:
        """Raise FormatError unless it can be laid out in a folder, and nowhere else."""
        parts = self.path.split("/")
        if not self.path or len(self.path) > _MAX_NAME or "\0" in self.path or {"", ".", ".."} & set(parts):
            raise FormatError(f"not a path below a folder: {self.path!r:.200}")
        try:
            self.path.encode(), self.target.encode()
        except UnicodeEncodeError:
            raise FormatError(f"a name that is not UTF-8: {self.path!r:.200}") from None
        if self.type not in _TYPES:
            raise FormatError(f"{self.path}: is neither a file, a folder nor a symbolic link")
        if self.type == stat.S_IFLNK and ("\0" in self.target or not _is_inside(self.path, self.target)):
            raise FormatError(f"{self.path}: is a symbolic link to {self.target!r:.200}, outside the folder")

    def header(self) -> bytes:
        """Return the member's header: POSIX.1-2001 (pax), with an extended header where a name or size needs one."""
        info = tarfile.TarInfo(self.path)
        info.type = _TYPES[self.type]
        info.mode = self.mode
        info.size = self.size
        info.linkname = self.target
        return info.tobuf(tarfile.PAX_FORMAT)


def _is_inside(path: str, target: str) -> bool:
    """Return whether a link at `path` to `target` stays in the folder, whatever links the names in `target` may be.

    Steps upwards may stand in front alone: behind the name of a link they would lead up from where that leads.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = len([part for part in parts if part == ".."])
    return bool(target) and not target.startswith("/") and parts[:up] == [".."] * up and up <= path.count("/")


def entry_of(info: tarfile.TarInfo) -> FileEntry:
    """Return the entry that a member of a tar is. Raises FormatError."""
    types = {value: key for key, value in _TYPES.items()}
    kind = types.get(info.type)
    if kind is None:
        raise FormatError(f"{info.name!r:.200}: is neither a file, a folder nor a symbolic link")
    size = info.size if kind == stat.S_IFREG else 0
    return FileEntry(info.name, kind, info.mode & 0o777, size, info.linkname if kind == stat.S_IFLNK else "")
