"""Windows of the sources, in one index: what a part of the target is aligned with."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from airpatch.delta.align import Aligner
from airpatch.delta.olds import Cover
from airpatch.delta.source_space import Space

Window = tuple[int, int]  # source positions, low and one past high

FAR_IN_DATA = 2
"""What a byte of a cover's place costs, in bytes of what it covers: literals of programs hardly become smaller."""
_FAR_IN_TEXT = 8  # they become a quarter, and a match by chance is of a common word
_LOOKED_AT = 1 << 12  # bytes
_CONTROLS = bytes(range(9))  # bytes that text does not have

_MIN_COVER = 8  # bytes: shorter ones cost more than literals, and a delta may not have too many instructions
_LONG_RUN = 1 << 7  # bytes, all the same: fewer, such as what tars are padded with, cost less as literals


def far(content: memoryview) -> int:
    """Return what a byte of a cover's place costs, in bytes of `content`."""
    return _FAR_IN_TEXT if is_text(bytes(content[:_LOOKED_AT])) else FAR_IN_DATA


def is_text(beginning: bytes) -> bool:
    """Return whether a file that begins like this is text."""
    return len(beginning.translate(None, _CONTROLS)) == len(beginning)


def _is_run(piece: memoryview) -> bool:
    return piece[0] == piece[-1] and bytes(piece).count(piece[0]) == len(piece)


class Windows:
    """An index of `windows`; those that do not lie within one source are left out.

    `tries` is how hard the alignment looks, `far` what a byte of a cover's place costs.
    """

    def __init__(self, space: Space, windows: Sequence[Window], tries: int, far: int) -> None:
        parts = [(low, view) for low, high in windows if (view := space.slice(low, high - low)) is not None]
        self._lows = [low for low, _ in parts]
        views = [view for _, view in parts]
        self._starts = list(accumulate((len(view) for view in views), initial=0))
        self._aligner = (
            Aligner(views[0] if len(views) == 1 else memoryview(b"".join(views)), tries, far) if parts else None
        )

    def align(self, target: memoryview, start: int, end: int, guess: int) -> Iterator[Cover]:
        """Yield the covers of target[start:end]; `guess` is the source position that `start` may come from."""
        if self._aligner is None:
            return
        found = self._aligner.align(target, start, end, self._joined(guess))
        for at, where, length in zip(found[::3], found[1::3], found[2::3], strict=True):
            if length < _MIN_COVER or (length < _LONG_RUN and _is_run(target[at : at + length])):
                continue
            number = bisect_right(self._starts, where) - 1
            while length:
                part = min(length, self._starts[number + 1] - where)
                yield at, self._lows[number] + where - self._starts[number], part
                at += part
                where += part
                length -= part
                number += 1

    def _joined(self, position: int) -> int:
        """Return where in the joined windows the source position is, or what stands nearest before it."""
        before = [number for number, low in enumerate(self._lows) if low <= position]
        number = max(before, key=self._lows.__getitem__, default=0)
        return min(self._starts[number] + max(position - self._lows[number], 0), self._starts[number + 1])
