"""A path that a user named as a source, and what lies there. Each look is taken once, whichever kinds ask for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from airpatch.blobs.tree import Entry, Tree
from airpatch.errors import SourceError
from airpatch.format.registry import STORAGE

DIR_MANIFEST = "manifest.json"
"""The file that makes a folder an image of the `dir:` transport."""
OCI_LAYOUT = "oci-layout"
"""The file that makes a folder an OCI layout (image-spec `image-layout.md`)."""
OCI_BLOBS = "blobs"
"""The folder of an OCI layout's content."""


@dataclass(slots=True)
class FolderScan:
    """The folders below a directory by path, `""` for itself, with what lies in each; and what could not be looked at.

    Hidden folders, a registry's storage and the blobs of OCI layouts are left out.
    """

    folders: dict[str, list[Entry]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


class Location:
    """What is at `path`, which exists. `spec` is how the user wrote it, for messages."""

    def __init__(self, spec: str, path: Path) -> None:
        self.spec = spec
        self.path = path
        self.is_folder = path.is_dir()

    @cached_property
    def tree(self) -> Tree:
        """The folder, open for reading. Raises SourceError if it cannot be opened."""
        return Tree(self.path)

    @cached_property
    def scan(self) -> FolderScan:
        """What lies below the folder. Raises SourceError if the folder itself cannot be read."""
        return scan_folders(self.tree)


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
        scan.folders[folder] = entries
        is_layout = any(entry.name == OCI_LAYOUT and entry.is_file for entry in entries)
        below = []
        for entry in entries:
            path = f"{folder}/{entry.name}".lstrip("/")
            if entry.name.startswith(".") or path == STORAGE or (is_layout and entry.name == OCI_BLOBS):
                continue
            if entry.is_folder:
                below.append(path)
            elif entry.is_link and (entry.name in (DIR_MANIFEST, OCI_LAYOUT) or (tree.path / path).is_dir()):
                scan.findings.append(f"{tree.name(path)}: is a symbolic link, which is not followed")
        pending += reversed(below)
    return scan
