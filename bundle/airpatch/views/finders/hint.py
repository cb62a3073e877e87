"""What a finder says."""

from __future__ import annotations

from dataclasses import dataclass

LARGE = (b".br!", b".zst!")
"""Ends of the names of streams of `framings.LARGE`."""


def is_within_large(name: bytes) -> bool:
    """Return whether what is called so lies within a stream that takes much memory, and so may hold no other."""
    return any(end in name for end in LARGE)


@dataclass(frozen=True, slots=True)
class Hint:
    """A level of a view may begin at `start` and be `size` bytes long, None if only inflating can tell.

    `inside` are hints within an archive, counted from its start. `name` tells streams of one container apart.
    """

    start: int
    framing: str
    body: int
    """Where the deflate stream begins."""
    size: int | None
    name: bytes
    inside: tuple[Hint, ...] = ()


def without_overlaps(hints: list[Hint], size: int) -> tuple[Hint, ...]:
    """Return the hints in order, without those that overlap an earlier one or end beyond `size`."""
    end = 0
    kept = []
    for hint in sorted(hints, key=lambda hint: (hint.start, hint.body)):
        if hint.start >= end and hint.body + (0 if hint.size is None else hint.size) <= size + hint.body - hint.start:
            kept.append(hint)
            end = hint.body if hint.size is None else hint.start + hint.size
    return tuple(kept)
