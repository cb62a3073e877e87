"""What an audit of a root has found so far, and the looks at its folders that find what does not belong there.

Findings are bytes without their digest and blobs that links promise, obstacles what could not be checked, notes all
else (see `audit`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from airpatch.errors import AirpatchError, TargetError
from airpatch.target.root import Root


class AuditReport:
    """Findings, obstacles and notes about `root`."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.findings: list[str] = []
        self.obstacles: list[str] = []
        self.notes: list[str] = []

    def names(self, folder: str, allowed: Collection[str] | None = None) -> list[str]:
        """Return the names in `folder`; those that are not `allowed`, if that is given, are remarks and left out."""
        with self.noting():
            names = self.root.names(folder)
            if allowed is None:
                return names
            for name in names:
                if name not in allowed:
                    self.misplaced(f"{folder}/{name}")
            return [name for name in names if name in allowed]
        return []

    def folders(self, folder: str, allowed: Collection[str] | None = None) -> list[str]:
        """Return those of `names` that are folders; files are remarks, and whatever else is there is an obstacle."""
        folders = []
        for name in self.names(folder, allowed):
            path = f"{folder}/{name}"
            with self.noting():
                if self.root.is_folder(path):
                    folders.append(name)
                elif self.root.size(path) is not None:
                    self.misplaced(path)
        return folders

    def find(self, path: str, what: str) -> None:
        """Add a finding about `path`."""
        self.findings.append(f"{self.root.path / path}: {what}")

    def remark(self, path: str, what: str) -> None:
        """Add a note about `path`."""
        self.notes.append(f"{self.root.path / path}: {what}")

    def misplaced(self, path: str) -> None:
        """Note that neither airpatch nor a registry puts anything at `path`."""
        self.remark(path, "does not belong there")

    @contextmanager
    def noting(self, where: str = "") -> Iterator[None]:
        """Note an error; `where` is put in front of messages that do not name it."""
        try:
            yield
        except AirpatchError as error:
            text = f"{error.message}{''.join(f'; {finding}' for finding in error.findings)}"
            noted = self.obstacles if isinstance(error, TargetError) else self.findings
            noted.append(text if text.startswith(str(self.root.path)) else f"{where}{text}")
