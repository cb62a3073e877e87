"""Where the blobs of a push come from, and how they are passed on: each as soon as it can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from airpatch.blobs.content import Content
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.sources.gather import Gathered

Take = Callable[[Digest, Content, Callable[[], None]], None]
"""Receives a blob, the content that has it, and what to call, from any thread, once the blob has been read.

Returns at once, and may be called by many threads.
"""


class Supply(Protocol):
    """Gives blobs."""

    def prepare(self, wanted: Mapping[Digest, int], execution: Execution) -> int:
        """Get ready to give the blobs `wanted`, of so many bytes each; return the bytes of work that giving takes."""

    def give(self, take: Take, execution: Execution) -> None:
        """Pass each of the blobs to `take`, once; its progress counts the work that was announced.

        An error cancels `execution`. Raises CancelledError if those who take the blobs cancel it.
        """


class GatheredSupply:
    """Gives what sources have, the largest blobs first."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._wanted: Mapping[Digest, int] = {}

    def prepare(self, wanted: Mapping[Digest, int], execution: Execution) -> int:
        """Fetch those that are in registries. Raises SourceError, IntegrityError."""
        self._wanted = wanted
        self._gathered.fetch(wanted, execution)
        return 0

    def give(self, take: Take, execution: Execution) -> None:
        for digest, _ in sorted(self._wanted.items(), key=lambda item: (-item[1], item[0])):
            take(digest, self._gathered.content, _ignore)


def _ignore() -> None:
    """Content of sources is not given up."""
