"""What encoders tell about their work, so that somebody can bound it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Spend = Callable[[int], object]
"""A method of a meter, which may raise so that no more is done."""


class Meter(Protocol):
    """Adds up work of two kinds."""

    def spend(self, size: int) -> None:
        """Take note of what a slow encoder is about to do: in that time libbrotli makes `size` bytes at quality 11."""
        ...

    def search(self, steps: int) -> None:
        """Take note of steps that all others have taken: candidates for a match that were looked at, which takes some 2
        nanoseconds each, or something that takes as long.
        """
        ...


class Unbounded:
    """The meter of whoever knows what is encoded."""

    def spend(self, size: int) -> None:
        """Take no note of it."""

    def search(self, steps: int) -> None:
        """Take no note of it."""


UNBOUNDED = Unbounded()
