"""A package of software that an image has, and how much of its files is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_MAX_PATHS = 256 << 20
"""Characters of the paths of an image's packages, ten times as many as large ones have."""
_PATH_COST = 60
"""What a path takes beside its characters."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package by `manager` (`dpkg`, `apk`, `rpm`, `pip`, `npm`), name and version.

    `files` are its files by path, or its folder, which ends with `/`.
    """

    manager: str
    name: str
    version: str
    files: tuple[str, ...] = ()


@dataclass(slots=True)
class PathRoom:
    """What the paths of an image's packages may take in memory: databases may name one long folder for many files.

    It is `exhausted` once some were left out.
    """

    left: int = _MAX_PATHS
    exhausted: bool = False

    def take(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return the `paths`, as far as there is room."""
        found = []
        for path in paths if not self.exhausted else ():
            self.left -= len(path) + _PATH_COST
            if self.left < 0:
                self.exhausted = True
                break
            found.append(path)
        return tuple(found)
