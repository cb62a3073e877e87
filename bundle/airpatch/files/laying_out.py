"""Lays out files of a release in a folder, which at any moment has those of the old release or those of the new one.

A new folder is made beside the old one, with all files of the release and what others have put into the old one; then
the two exchange their names. What only the old release had goes with the old folder. The list of
what belongs to the release lies in the folder itself (`packing.LISTING`); a folder with files and without that list is
somebody else's, and is not touched.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from airpatch.blobs.content import Content, SectionReader
from airpatch.blobs.output import write_error
from airpatch.errors import FormatError, IntegrityError, TargetError
from airpatch.files.packing import ARTIFACT_TYPE, LAYER_TYPE, LISTING
from airpatch.files.tar_entries import MAX_ENTRIES, FileEntry
from airpatch.files.tar_reading import read_members
from airpatch.linux import make_folders, read_start, remove_all, replace_folder, syncfs
from airpatch.model.digest import Digest
from airpatch.model.manifest import Descriptor, Manifest
from airpatch.model.release import Image
from airpatch.progress import ProgressPart

_PIECE = 1 << 20
_MAX_LISTING = 256 << 20
_STAGING = ".airpatch-{}.new"


def files_artifacts(
    images: Sequence[Image], manifests: Mapping[Digest, Manifest], folder: Path
) -> dict[Path, list[Descriptor]]:
    """Return the layers of each artifact of files among `images`, by where they are laid out: a single one in `folder`,
    several in `folder/REPOSITORY` each.
    """
    found = {
        image.name.repository: list(manifests[image.manifest].blobs[1:])
        for image in images
        if image.manifest in manifests and manifests[image.manifest].artifact_type == ARTIFACT_TYPE
    }
    return {folder / name if len(found) > 1 else folder: layers for name, layers in sorted(found.items())}


def require_own(folder: Path) -> None:
    """Raise TargetError if files cannot be laid out in `folder`, since it is somebody else's, or cannot be read."""
    try:
        _listed(folder)
    except OSError as error:
        raise write_error(str(folder), error) from None


def lay_out(layers: Sequence[Descriptor], content: Content, folder: Path, part: ProgressPart) -> int:
    """Make `folder` have the files of `layers`; return how many entries it has of them.

    Raises FormatError or IntegrityError if a layer is wrong, TargetError if the folder cannot be written or is somebody
    else's; it is then as it was.
    """
    folder = folder.absolute()
    try:
        make_folders(folder.parent)
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _lay_out(layers, content, folder, parent, part)
        finally:
            os.close(parent)
    except OSError as error:
        raise write_error(str(folder), error) from None


def _lay_out(layers: Sequence[Descriptor], content: Content, folder: Path, parent: int, part: ProgressPart) -> int:
    old = _listed(folder)
    name = _STAGING.format(folder.name)
    _remove(name, parent)
    os.mkdir(name, 0o755, dir_fd=parent)
    staging = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        laid_out = _Folder(staging)
        for layer in layers:
            if layer.media_type != LAYER_TYPE:
                raise FormatError(f"layer {layer.digest} is of type {layer.media_type}, where files are {LAYER_TYPE}")
            _extract(layer, content, laid_out, part)
        laid_out.finish()
        if old is not None:
            _take_over(folder, old, laid_out)
        with suppress(FileNotFoundError):
            _make_like(folder.lstat(), staging)
        _write_listing(staging, laid_out.entries)
        syncfs(staging)
        if old is None:
            with suppress(FileNotFoundError):
                os.rmdir(folder.name, dir_fd=parent)  # an empty one may be there
            os.rename(name, folder.name, src_dir_fd=parent, dst_dir_fd=parent)
        else:
            _replace(folder, name, parent)
        os.fsync(parent)
    except BaseException:
        _remove(name, parent)
        raise
    finally:
        os.close(staging)
    _remove(name, parent)
    _remove(f"{name}-old", parent)
    return len(laid_out.entries)


def _replace(folder: Path, name: str, parent: int) -> None:
    try:
        replace_folder(name, folder.name, src_dir_fd=parent, dst_dir_fd=parent, may_fill=False)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise TargetError(
            f"{folder}: lies in a lower layer of an overlay, as what an image brings does in a container, so the new "
            "files cannot take its place in one step; name a folder on a volume"
        ) from None


def _remove(name: str, parent: int) -> None:
    """Remove a folder of ours, if it is there."""
    with suppress(FileNotFoundError):
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            remove_all(fd)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=parent)


def _listed(folder: Path) -> set[str] | None:
    """Return the paths that belong to the release that lies in `folder`; None if there is none, or nothing in it.

    Raises TargetError if the folder is somebody else's.
    """
    try:
        if folder.is_symlink() or not folder.is_dir():
            if not folder.is_symlink() and not folder.exists():
                return None
            raise TargetError(f"{folder}: is not a folder; name another place for the files")
        if not any(folder.iterdir()):
            return None
        paths = json.loads(read_start(folder / LISTING, _MAX_LISTING))
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise ValueError
    except (FileNotFoundError, ValueError, RecursionError):
        raise TargetError(
            f"{folder}: holds files that airpatch did not lay out (it has no {LISTING}); name a new folder, or "
            "move the files away"
        ) from None
    return set(paths)


def _write_listing(folder: int, entries: Mapping[str, FileEntry]) -> None:
    fd = os.open(LISTING, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=folder)
    with os.fdopen(fd, "wb") as file:
        file.write(json.dumps(sorted(entries), indent=0).encode())


class _Folder:
    """A new folder that is being filled; only folders that were made here are entered."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.entries: dict[str, FileEntry] = {}
        self._kept: set[str] = set()
        """Folders that belong to others, or have what does."""

    def add(self, entry: FileEntry, pieces: Iterator[bytes]) -> None:
        """Make an entry; links are made by `finish`, so that nothing is written through one."""
        if entry.path in self.entries or entry.path == LISTING:
            raise FormatError(f"{entry.path}: occurs twice")
        above = entry.path.rpartition("/")[0]
        if above and not self.is_folder(above):
            raise FormatError(f"{entry.path}: comes before its folder")
        if len(self.entries) >= MAX_ENTRIES:
            raise FormatError(f"more than {MAX_ENTRIES:,} files and folders")
        self.entries[entry.path] = entry
        if entry.type == stat.S_IFDIR:
            os.mkdir(entry.path, 0o700, dir_fd=self._fd)
        elif entry.type == stat.S_IFREG:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(entry.path, flags, 0o600, dir_fd=self._fd), "wb", buffering=0) as file:
                for piece in pieces:
                    file.write(piece)
                os.fchmod(file.fileno(), entry.mode)

    def finish(self) -> None:
        """Make the links, and give folders their modes, the deepest first."""
        for entry in self.entries.values():
            if entry.type == stat.S_IFLNK:
                os.symlink(entry.target, entry.path, dir_fd=self._fd)
        for path in sorted(self.entries, key=lambda path: -path.count("/")):
            entry = self.entries[path]
            if entry.type == stat.S_IFDIR:
                os.chmod(path, entry.mode | 0o700, dir_fd=self._fd)

    def is_folder(self, path: str) -> bool:
        """Return whether the release has a folder at `path`."""
        return path in self.entries and self.entries[path].type == stat.S_IFDIR

    def keep(self, folder: Path, path: str) -> None:
        """Take over a file or link of `folder` that belongs to others, with the folders above it."""
        self.keep_folder(folder, path.rpartition("/")[0])
        os.link(folder / path, path, dst_dir_fd=self._fd, follow_symlinks=False)

    def keep_folder(self, folder: Path, path: str) -> None:
        """Have a folder of `folder` as it is there, unless the release has it, with those above it."""
        missing = []
        while path and path not in self.entries and path not in self._kept:
            missing.append(path)
            path = path.rpartition("/")[0]
        for each in reversed(missing):
            self._kept.add(each)
            os.mkdir(each, 0o700, dir_fd=self._fd)
            made = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
            try:
                _make_like((folder / each).lstat(), made)
            finally:
                os.close(made)


def _make_like(status: os.stat_result, folder: int) -> None:
    """Give an open folder the owner, the group and the mode of another."""
    own = os.fstat(folder)
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(folder, status.st_uid, status.st_gid)
    os.fchmod(folder, stat.S_IMODE(status.st_mode))


def _take_over(folder: Path, old: set[str], new: _Folder) -> None:
    """Link what lies in the old folder and belonged to no release into the new one. Raises TargetError."""
    pending = [""]
    while pending:
        base = pending.pop()
        with os.scandir(folder / base) as scanned:
            entries = [(f"{base}/{entry.name}".lstrip("/"), entry.is_dir(follow_symlinks=False)) for entry in scanned]
        for path, is_folder in sorted(entries):
            if is_folder:
                pending.append(path)
            if path in old or path == LISTING or (is_folder and new.is_folder(path)):
                continue
            if path in new.entries or any(above in new.entries and not new.is_folder(above) for above in _above(path)):
                raise TargetError(
                    f"{folder / path}: does not belong to the old release, but the new one has it, too: move it away"
                )
            if is_folder:
                new.keep_folder(folder, path)
            else:
                new.keep(folder, path)


def _above(path: str) -> Iterator[str]:
    """Yield the folders above `path`."""
    while path := path.rpartition("/")[0]:
        yield path


def _extract(layer: Descriptor, content: Content, folder: _Folder, part: ProgressPart) -> None:
    """Lay out one tar, every header of which is as it is made here. Raises FormatError, IntegrityError."""
    hash_ = hashlib.sha256()
    with closing(content.open(layer.digest, layer.size)) as blob:
        stream = _Hashed(SectionReader(blob, 0, layer.size), hash_, layer.digest, part)
        try:
            for entry, pieces in read_members(stream.read):
                folder.add(entry, pieces)
        except FormatError as error:
            raise FormatError(f"layer {layer.digest}: {error.message}") from None
        while stream.read(_PIECE):
            pass
    if hash_.digest() != layer.digest.raw:
        raise IntegrityError(f"content of {layer.digest} has the digest sha256:{hash_.hexdigest()}")


class _Hashed:
    """A stream whose bytes are hashed and counted."""

    def __init__(self, reader: SectionReader, hash_: hashlib._Hash, digest: Digest, part: ProgressPart) -> None:
        self._reader = reader
        self._hash = hash_
        self._digest = digest
        self._part = part

    def read(self, size: int) -> bytes:
        data = self._reader.read(size)
        self._hash.update(data)
        self._part.advance(len(data), self._digest)
        return data
