"""Where bytes go: the content of one blob, piece by piece, until its digest has been compared."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """Takes the content of one blob. Its methods are called one after the other, on threads of a pool.

    The caller hashes the bytes, and passes no more of them than the blob has.
    """

    def write(self, piece: memoryview) -> None:
        """Take the next bytes, which are valid during the call."""

    def complete(self) -> None:
        """Note that all bytes came and that they have the blob's digest."""


class Discard:
    """Keeps nothing: for content of which only the digest has to be right."""

    def write(self, piece: memoryview) -> None:
        """Do nothing: the caller hashes the bytes."""

    def complete(self) -> None:
        """Do nothing: the caller has compared the digest."""
