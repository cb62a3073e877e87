"""How a piece of work is done: threads, memory, scratch files, progress, cancellation. One value for all operations."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import NoReturn

from airpatch.progress import NO_PROGRESS, Owners, Progress, ProgressPart

NewFile = Callable[[], int]
"""Makes an empty file without a name, open for reading and writing, and gives its descriptor. Raises TargetError."""


class Cancellation:
    """A request to end work that is under way. For use by many threads.

    If there is an `outer` one, cancelling that cancels this one too, but not vice versa.
    """

    def __init__(self, outer: Cancellation | None = None) -> None:
        self._event = threading.Event()
        self._outer = outer
        self._calls: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Make the work raise `concurrent.futures.CancelledError` as soon as it checks."""
        if self._event.is_set():
            return
        self._event.set()
        for call in tuple(self._calls):
            call()

    @contextmanager
    def calling(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called if the work is cancelled within the block, so that what waits in it checks.

        It is called by the thread that cancels, perhaps more than once.
        """
        with nullcontext() if self._outer is None else self._outer.calling(wake):
            self._calls.append(wake)
            try:
                if self.is_cancelled:
                    wake()
                yield
            finally:
                self._calls.remove(wake)

    @property
    def is_cancelled(self) -> bool:
        return self._event.is_set() or (self._outer is not None and self._outer.is_cancelled)


def no_scratch() -> NoReturn:
    """The default of `Execution.scratch`, which each operation replaces by files beside what it writes."""
    raise RuntimeError("no folder for scratch files has been set")


@dataclass(frozen=True, slots=True)
class Execution:
    """How an operation works. Nothing here affects results, except that `memory` affects the bytes of layer patches."""

    jobs: int | None = None
    """Threads; None: one for each processor that this process may use."""
    memory: int = 1 << 30
    """Bytes for all that make layer patches together."""
    scratch: NewFile = no_scratch
    """Makes scratch files (`scratch_files`); by default they lie beside what is written, never in `/tmp`."""
    progress: Progress = NO_PROGRESS
    """Watches what is done."""
    cancellation: Cancellation = field(default_factory=Cancellation)
    """Ends the operation by `concurrent.futures.CancelledError`; nothing is half-done then."""
    ask: Callable[[str], bool] | None = None
    """Asks a person for the next medium, and returns when it is there, or False; None where nobody can be asked."""

    @property
    def threads(self) -> int:
        """How many threads work at once."""
        return self.jobs or len(os.sched_getaffinity(0))

    @contextmanager
    def part(self, label: str, total: int, owners: Owners | None = None) -> Iterator[ProgressPart]:
        """Begin a part of the work of `total` bytes, which ends with the block. Parts follow each other."""
        self.progress.start(label, total)
        try:
            yield ProgressPart(self.progress, self._is_cancelled, owners)
        finally:
            self.progress.end()

    def task(self) -> Execution:
        """Return the same with a cancellation of its own, for threads of which the first error ends the others."""
        return replace(self, cancellation=Cancellation(self.cancellation))

    def _is_cancelled(self) -> bool:
        return self.cancellation.is_cancelled
