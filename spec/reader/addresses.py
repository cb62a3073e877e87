"""Heads of groups with addresses (DELTA.md, Group): what a program's parts are, and where they went."""

from bisect import bisect_right
from itertools import accumulate, pairwise

from .cursor import Cursor
from .debug_info import NO_DEBUG_INFO, DebugInfo
from .errors import require
from .predict import Group, Range

MAX_ADDRESS = 2**62 - 1


class Addresses:
    """What the groups with addresses of a delta have in common."""

    def __init__(self, size: int, sources: list[bytes]) -> None:
        """Begin a delta of a target of this size."""
        self.sources, self.begins = sources, [0, *accumulate(map(len, sources))]
        self.debugging = size + self.begins[-1]  # how many bytes of debugging information there may still be
        self.groups = 0
        self.memory: dict[int, tuple[int, int]] = {}

    def group(self, control: Cursor, ranges: int) -> Group:
        """The group whose head has so many source ranges, and goes on in the control column."""
        sources, targets = _ranges(control, ranges), _ranges(control, control.number(16))
        require(targets, "no target range")
        points, bases = (_rows(control, control.number(most), 2) for most in (256, 64))
        info = self._debug_info(control, bases) if control.number(1) else NO_DEBUG_INFO
        self.groups += 1
        moved = {point[0]: point[1] for point in points}
        return Group(sources, targets, moved, bases, info, self.groups, self.memory)

    def _debug_info(self, control: Cursor, bases: list[tuple[int, ...]]) -> DebugInfo:
        info, abbreviations = self._part(control, 2**31, 1), self._part(control, 2**22, 16)
        numbers = [control.number(len(bases)) for _ in range(6)]
        require(numbers[0], "debugging information without a base")
        return DebugInfo(info, abbreviations, {place: bases[one - 1] for place, one in enumerate(numbers) if one})

    def _part(self, control: Cursor, most: int, counted: int) -> bytes:
        """A part of debugging information, each byte of which is counted so many times."""
        position, length = control.number(MAX_ADDRESS), control.number(most)
        number = min(bisect_right(self.begins, position), len(self.sources)) - 1
        source, at = (self.sources[number], position - self.begins[number]) if self.sources else (b"", position)
        self.debugging -= counted * length
        require(at + length <= len(source), "debugging information outside of its source")
        require(self.debugging >= 0, "too much debugging information")
        return source[at : at + length]


def _rows(control: Cursor, count: int, width: int) -> list[tuple[int, ...]]:
    """So many rows of numbers."""
    return [tuple(control.number(MAX_ADDRESS) for _ in range(width)) for _ in range(count)]


def _ranges(control: Cursor, count: int) -> list[Range]:
    ranges = [Range(*row) for row in _rows(control, count, 4)]
    for one, other in pairwise([*ranges, Range(MAX_ADDRESS, 0, MAX_ADDRESS, 0)]):
        require(one.start + one.length <= other.start, "ranges that overlap, or are out of order")
        require(one.end <= other.address, "ranges that overlap, or are out of order")
    return ranges
