"""Progress of long work: parts, one after the other, each with a total that is exactly what is then done.

The library reports bytes to the protocol `Progress`; what is shown is up to the caller. Totals are announced before
the first byte is done, and `advance` adds up to them unless an error ends the part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, Self

from airpatch.model.digest import Digest

Owners = Callable[[], Mapping[Digest, object]]
"""Gives for blobs the image that they belong to. Called once, and only if somebody watches."""


class Progress(Protocol):
    """Watches work. At most one part is under way at any time."""

    def start(self, label: str, total: int) -> None:
        """A part of the work begins: what is being done, such as `packing 4.2.0`, and its size in bytes."""

    def advance(self, size: int, item: str) -> None:
        """`size` more bytes are done. `item` is the blob at hand, with its image where it is known, or empty.

        Called by any thread, many times a second; must be quick and raise nothing.
        """

    def end(self) -> None:
        """The part is over, done or not."""


class NoProgress:
    """Shows nothing."""

    def start(self, label: str, total: int) -> None:
        """Nobody watches."""

    def advance(self, size: int, item: str) -> None:
        """Nobody watches."""

    def end(self) -> None:
        """Nobody watches."""


NO_PROGRESS = NoProgress()


class ProgressPart:
    """A part of the work that is under way (`Execution.part`). For use by many threads."""

    def __init__(
        self,
        progress: Progress = NO_PROGRESS,
        is_cancelled: Callable[[], bool] = lambda: False,
        owners: Owners | None = None,
    ) -> None:
        self._progress = progress
        self._is_cancelled = is_cancelled
        self._find_owners = owners
        self._owners: Mapping[Digest, object] | None = None

    def advance(self, size: int, digest: Digest | None = None) -> None:
        """`size` more bytes are done, of the blob `digest`. Raises CancelledError when the work is to end."""
        if self._is_cancelled():
            from concurrent.futures import CancelledError  # here, since it takes time to load

            raise CancelledError
        if size and self._progress is not NO_PROGRESS:
            self._progress.advance(size, self._item(digest))

    def share(self, size: int, digest: Digest | None = None) -> Share:
        """Return the share of one blob, `size` bytes, in this part."""
        return Share(self, size, digest)

    def within(self) -> Progress:
        """Return the progress for work that is counted in this part, without a part of its own."""
        return NO_PROGRESS if self._progress is NO_PROGRESS else _Within(self._progress)

    def uncounted(self) -> ProgressPart:
        """Return a part for work that is done again: it ends with this one, and does not count."""
        return ProgressPart(NO_PROGRESS, self._is_cancelled)

    def _item(self, digest: Digest | None) -> str:
        if digest is None:
            return ""
        if self._owners is None:
            self._owners = self._find_owners() if self._find_owners is not None else {}
        owner = self._owners.get(digest)
        return digest.short if owner is None else f"{owner} {digest.short}"


class _Within:
    """Passes on what is done, and neither beginnings nor ends."""

    def __init__(self, progress: Progress) -> None:
        self.advance = progress.advance

    def start(self, label: str, total: int) -> None:
        """The part around it has begun."""

    def end(self) -> None:
        """The part around it goes on."""


class Share:
    """What one blob counts in a part: `size` bytes in all, however its work goes. A context manager.

    Where the same work is tried in several ways, or ends early, the share still advances to its size and never back:
    a block that ends well counts what is left.
    """

    def __init__(self, part: ProgressPart, size: int, digest: Digest | None) -> None:
        self._part = part
        self._size = size
        self._digest = digest
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.reach(self._size)

    def advance(self, size: int) -> None:
        """`size` more bytes are done."""
        self._done += size
        self._part.advance(size, self._digest)

    def reach(self, position: int) -> None:
        """The first `position` bytes are done. Raises CancelledError, too, if they were before."""
        self.advance(max(position - self._done, 0))
