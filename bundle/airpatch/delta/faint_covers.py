"""Covers of stretches that resemble a source only faintly: numbers whose low bytes changed, such as weights of a model
that was trained further.

They need not have eight bytes in a row that are the same, so alignment finds nothing. But what differs packs closer
than the stretch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from airpatch.delta.columns import weigh
from airpatch.delta.olds import Cover

_LEAST = 1 << 12
"""Bytes of a stretch that is looked at: chance makes none of this length alike."""
_PIECE, _PIECES = 4 << 10, 16
"""Bytes of a piece of the sample by which two stretches are compared, and how many these are at most."""
_WORTH = 16
"""A difference must be smaller by one part in so many."""


def resembles(target: memoryview, source: memoryview) -> bool:
    """Return whether the difference of two long stretches of one size packs closer than the target's."""
    if len(target) < _LEAST:
        return False
    starts = range(0, len(target), max(_PIECE, len(target) // _PIECES))
    new, old = (b"".join(view[start : start + _PIECE] for start in starts) for view in (target, source))
    difference = int.from_bytes(new, "big") ^ int.from_bytes(old, "big")
    alone = weigh(new)
    return weigh(difference.to_bytes(len(new), "big")) < alone - alone // _WORTH


def with_faint(
    covers: Iterable[Cover],
    target: memoryview,
    start: int,
    end: int,
    diagonals: Iterable[int],
    piece: Callable[[int, int], memoryview | None],
) -> Iterator[Cover]:
    """Yield the `covers` of target[start:end], which ascend, and others in long stretches between them.

    These go on where their neighbours end, or lie on one of the `diagonals`: source positions less target offsets. A
    `piece` of the sources is at a position, of a size; None if there is none.
    """
    shifts = list(diagonals)
    last: list[int] = []
    for cover in (*covers, (end, 0, 0)):
        at, position, length = cover
        following = [position - at] if length else []
        for shift in dict.fromkeys((*last, *following, *shifts)):
            source = piece(start + shift, at - start)
            if source is not None and resembles(target[start:at], source):
                yield start, start + shift, at - start
                break
        if length:
            yield cover
        start = at + length
        last = following
