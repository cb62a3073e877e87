"""A path that a user named as a source, and what lies there. Each thing is looked up once, however many kinds ask."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch import limits
from airpatch.archive.open_bundles import is_bundle
from airpatch.blobs.tree import Entry, Tree
from airpatch.errors import SourceError
from airpatch.execution import NewFile
from airpatch.format.registry import STORAGE
from airpatch.linux import is_folder

if TYPE_CHECKING:
    from airpatch.sources.tar_files import TarFiles

DIR_MANIFEST = "manifest.json"
"""The file that makes a folder an image of the `dir:` transport."""
DIR_VERSION = "version"
"""The file that skopeo writes first in a `dir:` image (containers/image `directory/directory_dest.go`)."""
OCI_LAYOUT = "oci-layout"
"""The file that makes a folder an OCI layout (image-spec `image-layout.md`)."""
OCI_INDEX = "index.json"
OCI_BLOBS = "blobs"
"""The folder of an OCI layout's content."""
REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation of a layout's index that has an image's name (image-spec `annotations.md`)."""
CONTAINERD_NAME = "io.containerd.image.name"
"""The annotation in which containerd and docker write the name."""
DOCKER_INDEX = "manifest.json"
"""The file that makes an archive one of docker (moby `image/tarexport`)."""
CONTAINERD_DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
"""The file that makes a folder containerd's storage (containerd `metadata/buckets.go`)."""
IMAGE_FILE = re.compile(r"[0-9a-f]{64}(\.manifest\.json|\.signature-[0-9]+)?|signature-[0-9]+|version|manifest\.json")
"""How the `dir:` transport names the files that are parts of an image."""
_UNFINISHED_FILE = re.compile(rf"{IMAGE_FILE.pattern}|(dir|oci)-put-blob[0-9]*")
_BLOB_FILE = re.compile(r"[0-9a-f]{64}|(oci-)?put-blob[0-9]*")
_NO_IMAGES = ("lost+found", "System Volume Information", "$RECYCLE.BIN")
"""Folders that file systems put at the top of a disk."""


@dataclass(slots=True)
class FolderScan:
    """The folders below a directory by path, `""` for itself, with what lies in each.

    Hidden folders, a registry's storage and the blobs of OCI layouts are left out. `findings` are what could not be
    read, and images whose copy was not finished.
    """

    folders: dict[str, list[Entry]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Return whether something called `name` lies in one of the folders."""
        return any(entry.name == name for entries in self.folders.values() for entry in entries)


class Location:
    """The folder or file `path`; `spec` is how the user wrote it, for messages, and `prefix` the kind that it requests.

    `new_file` makes scratch files for what must be decompressed.
    """

    def __init__(self, spec: str, prefix: str, path: Path, new_file: NewFile) -> None:
        self.spec = spec
        self.prefix = prefix
        self.path = path
        self.is_folder = is_folder(path)
        self._new_file = new_file

    @cached_property
    def tree(self) -> Tree:
        """The folder, open for reading. Raises SourceError if it cannot be opened."""
        return Tree(self.path)

    @cached_property
    def is_bundle(self) -> bool:
        """Whether the file, or the folder with its parts, looks like a bundle."""
        return is_bundle(self.path)

    @cached_property
    def archive(self) -> TarFiles | None:
        """The tar archive in the file, None if it holds none. A bundle does not count, though it is a tar archive.

        Raises SourceError, FormatError, TargetError as `open_archive` does.
        """
        if self.is_folder:
            return None
        from airpatch.sources.tar_files import open_archive  # what reads files is loaded for them alone

        return None if self.is_bundle else open_archive(self.path, self._new_file)

    @cached_property
    def scan(self) -> FolderScan:
        """What lies below the folder. Raises SourceError if the folder itself cannot be read."""
        return scan_folders(self.tree)


def is_layout(entries: Iterable[Entry]) -> bool:
    """Return whether a folder with `entries` is an OCI layout; build tools such as Bazel make its files
    symbolic links.
    """
    return any(entry.name == OCI_LAYOUT and (entry.is_file or entry.is_link) for entry in entries)


def has_file(entries: Iterable[Entry], name: str) -> bool:
    """Return whether one of `entries` is a file `name`."""
    return any(entry.name == name and entry.is_file for entry in entries)


def scan_folders(tree: Tree) -> FolderScan:
    """Walk `tree`. Raises SourceError if `tree` itself cannot be read."""
    scan = FolderScan()
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            entries = tree.scan(folder)
        except SourceError as error:
            if not folder:
                raise
            scan.findings.append(error.message)
            continue
        skipped = _NO_IMAGES if not folder else ()
        if is_layout(entries):
            skipped = (*skipped, OCI_BLOBS)
        elif (unusable := _unfinished(tree, folder, entries) or _saved_by_docker(tree, folder, entries)) is not None:
            scan.findings.append(unusable)
            continue
        scan.folders[folder] = entries
        below = []
        for entry in entries:
            path = f"{folder}/{entry.name}".lstrip("/")
            if entry.name.startswith(".") or entry.name in skipped:
                continue
            if entry.is_folder and f"/{path}".endswith(f"/{STORAGE}"):
                if path != STORAGE:
                    root = tree.name(path.removesuffix(f"/{STORAGE}"))
                    scan.findings.append(f"{root}: is a registry's root: name it as a source of its own")
            elif entry.is_folder:
                below.append(path)
            elif entry.is_link and (entry.name == DIR_MANIFEST or is_folder(tree.path / path)):
                scan.findings.append(f"{tree.name(path)}: is a symbolic link, which is not followed")
        pending += reversed(below)
    return scan


def _unfinished(tree: Tree, folder: str, entries: list[Entry]) -> str | None:
    """Return what to say about a folder that an interrupted copy has left without an image. None for other folders.

    skopeo makes the folder, then `version`, blobs (under another name until they are complete) and signatures, and
    `manifest.json` last; for `oci:` it makes `blobs/sha256`, and `oci-layout` and `index.json` last.
    """
    files = [entry.name for entry in entries if entry.is_file]
    name = folder.rpartition("/")[2]
    if not any(entry.name == DIR_MANIFEST for entry in entries):
        begun = DIR_VERSION in files or any(map(_UNFINISHED_FILE.fullmatch, files))
        if begun or (not entries and (":" in name or "@" in name)):
            where = tree.name(folder)
            return f"{where}: is an incomplete image without {DIR_MANIFEST}: copy it again, or remove it"
    if any(entry.name == OCI_BLOBS and entry.is_folder for entry in entries):
        blobs = tree.scan(f"{folder}/{OCI_BLOBS}/sha256".lstrip("/")) if _holds_sha256(tree, folder) else []
        if OCI_INDEX in files or any(_BLOB_FILE.fullmatch(entry.name) for entry in blobs):
            return (
                f"{tree.name(folder)}: is an incomplete OCI layout without a file {OCI_LAYOUT}: copy it again, or "
                "remove it"
            )
    return None


def _saved_by_docker(tree: Tree, folder: str, entries: list[Entry]) -> str | None:
    """Return what to say about an unpacked docker archive: its `manifest.json` is a list, which no manifest is."""
    if not has_file(entries, DIR_MANIFEST) or has_file(entries, DIR_VERSION):
        return None
    try:
        if not tree.read(f"{folder}/{DIR_MANIFEST}".lstrip("/"), limits.MANIFEST.value).lstrip().startswith(b"["):
            return None
    except SourceError:
        return None  # reading the image reports it
    name = tree.name(folder).rstrip("/")
    return (
        f"{name}: is an unpacked 'docker save' archive: pack it again with 'tar -C {name} -cf images.tar .', and "
        "name docker-archive:images.tar as the source"
    )


def _holds_sha256(tree: Tree, folder: str) -> bool:
    return tree.is_folder(f"{folder}/{OCI_BLOBS}/sha256".lstrip("/"))
