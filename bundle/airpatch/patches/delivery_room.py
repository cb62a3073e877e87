"""Which parts of a delivery are at work, so that all they keep in scratch files and memory stays within a limit.

Parts are admitted in a given order. One that needs more than the limit is admitted once nothing else is at work, and
all that was made before has been taken.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass

from airpatch.execution import Cancellation
from airpatch.model.digest import Digest


@dataclass(frozen=True, slots=True)
class DeliveryPart:
    """What gives the blob `digest`: it works on `space` bytes, and needs `blobs` of so many bytes each, which stay.

    They are those that are fetched for it, and the blob itself if it is made.
    """

    digest: Digest
    space: int
    blobs: Mapping[Digest, int]


class DeliveryRoom:
    """Admits `parts`, at most so many as `most` at a time; `admitted` is called for each. For use by many threads."""

    def __init__(
        self,
        parts: Iterable[DeliveryPart],
        limit: int,
        most: int,
        admitted: Callable[[], None],
        cancellation: Cancellation,
    ) -> None:
        self._waiting = deque(parts)
        self._limit = limit
        self._most = most
        self._on_admitted = admitted
        self._cancellation = cancellation
        self._working: dict[Digest, int] = {}
        self._kept: dict[Digest, int] = {}
        self._given: set[Digest] = set()
        self._changed = threading.Condition()

    def enter(self, digest: Digest) -> None:
        """Wait until the part that gives the blob is admitted. Raises CancelledError if the work is cancelled."""
        with self._cancellation.calling(self._wake):
            self._advance()
            with self._changed:
                self._changed.wait_for(lambda: digest in self._working or self._cancellation.is_cancelled)
        if self._cancellation.is_cancelled:
            raise CancelledError

    def leave(self, digest: Digest, *, is_given: bool) -> None:
        """Note that a part has done its work, and whether somebody is to take its blob, who then calls `taken`."""
        with self._changed:
            del self._working[digest]
            if is_given:
                self._given.add(digest)
        self._advance()

    def taken(self, digest: Digest) -> None:
        """Note that a blob that was given has been taken, or that nobody will take it any more."""
        with self._changed:
            self._given.discard(digest)
        self._advance()

    def give_up(self, digest: Digest) -> None:
        """Note that a blob takes no space any more."""
        with self._changed:
            self._kept.pop(digest, None)
        self._advance()

    def _advance(self) -> None:
        """Admit all parts that may be."""
        with self._changed:
            while self._waiting and self._fits(self._waiting[0]):
                part = self._waiting.popleft()
                self._working[part.digest] = part.space
                self._kept.update(part.blobs)
                self._on_admitted()
            self._changed.notify_all()

    def _fits(self, part: DeliveryPart) -> bool:
        if not self._working and not self._given:
            return True
        blobs = {**self._kept, **part.blobs}
        space = part.space + sum(blobs.values()) + sum(self._working.values())
        return len(self._working) < self._most and space <= self._limit

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def space_needed(parts: Iterable[DeliveryPart], last: Mapping[Digest, int], limit: int) -> int:
    """Return how many bytes `parts` keep at most. `last` has the number of the last part that reads each blob."""
    kept: dict[Digest, int] = {}
    alone = total = 0
    for number, part in enumerate(parts):
        total += part.space + sum(size for digest, size in part.blobs.items() if digest not in kept)
        kept = {digest: size for digest, size in kept.items() if last.get(digest, -1) >= number} | dict(part.blobs)
        alone = max(alone, part.space + sum(kept.values()))
    return max(alone, min(total, limit))
