"""The addresses of a group: which bytes of source and target stand where when the program runs, and how they
moved.

A group of instructions may declare ranges of source and of target with their addresses. From these and from
the covers of the group follow *points*, which say where each source address is in the target;
`airpatch.delta.predict` maps with them.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from airpatch.delta import varints
from airpatch.delta.debug_abbreviations import SECTIONS
from airpatch.delta.debug_info import MAX_ABBREVIATIONS, MAX_INFO, DebugInfo
from airpatch.delta.modes import BASED, DEBUG
from airpatch.delta.predict import Predictor
from airpatch.delta.references import Memory
from airpatch.errors import FormatError

MAX_RANGES = 16  # of source, and of target, in a group
MAX_POINTS = 256
MAX_BASES = 64
LIMIT = 1 << 62  # addresses and lengths stay below, so their sums fit 63 bits
MIN_COVER = 32  # shorter covers tell nothing of how addresses moved
_ABBREVIATION = 16  # bytes of .debug_info that a byte of .debug_abbrev counts as

SliceOf: TypeAlias = Callable[[int, int], memoryview | None]
"""Returns so many bytes from a position, None if they are not all there."""


@dataclass(frozen=True, slots=True)
class AddressRange:
    """`length` bytes from `start` (a source position or a target offset) stand at `address`; `zeros` bytes
    follow them in memory that the file does not hold."""

    start: int
    length: int
    address: int
    zeros: int

    @property
    def end(self) -> int:
        """One past the last address."""
        return self.address + self.length + self.zeros


@dataclass(frozen=True, slots=True)
class DebugSections:
    """Where .debug_info and .debug_abbrev of a file lie, and their sizes in bytes.

    `bases` are the numbers of the bases that offsets count from, one for each of `debug_abbreviations.SECTIONS`, None
    where there is none.
    """

    info: int
    info_size: int
    abbreviations: int
    abbreviations_size: int
    bases: tuple[int | None, ...]

    @property
    def size(self) -> int:
        """Bytes that are read for it, those of abbreviations as many times as they take longer than others."""
        return self.info_size + self.abbreviations_size * _ABBREVIATION

    def open(self, slice_of: SliceOf, bases: Sequence[tuple[int, int]]) -> DebugInfo | None:
        """Return what lies there, None if that is not to be had; `bases` are those of the group."""
        info = slice_of(self.info, self.info_size)
        abbreviations = slice_of(self.abbreviations, self.abbreviations_size)
        if info is None or abbreviations is None:
            return None
        return DebugInfo(info, abbreviations, [None if number is None else bases[number] for number in self.bases])


@dataclass(frozen=True, slots=True)
class Addresses:
    """`points` and `bases` are pairs (source address, target address): known places of what the file does
    not hold, and what 32-bit offsets in tables count from. `debug` is of the source."""

    sources: tuple[AddressRange, ...]
    targets: tuple[AddressRange, ...]
    points: tuple[tuple[int, int], ...] = ()
    bases: tuple[tuple[int, int], ...] = ()
    debug: DebugSections | None = None

    def put(self, out: bytearray) -> None:
        """Append the tables in their serialised form."""
        for ranges in (self.sources, self.targets):
            varints.put(out, len(ranges))
            for item in ranges:
                for number in (item.start, item.length, item.address, item.zeros):
                    varints.put(out, number)
        for pairs in (self.points, self.bases):
            varints.put(out, len(pairs))
            for pair in pairs:
                for number in pair:
                    varints.put(out, number)
        debug = self.debug
        varints.put(out, 0 if debug is None else 1)
        if debug is not None:
            for number in (debug.info, debug.info_size, debug.abbreviations, debug.abbreviations_size):
                varints.put(out, number)
            for base in debug.bases:
                varints.put(out, 0 if base is None else base + 1)

    @classmethod
    def read(cls, numbers: Iterator[int]) -> Addresses | None:
        """Read the tables; None if no source range is declared. FormatError if they break a limit."""
        count = _next(numbers)
        if not count:
            return None
        sources = _ranges(numbers, count)
        targets = _ranges(numbers, _next(numbers))
        points, bases = _pairs(numbers, MAX_POINTS), _pairs(numbers, MAX_BASES)
        return cls(sources, targets, points, bases, _debug(numbers, len(bases)))


def _next(numbers: Iterator[int]) -> int:
    number = next(numbers, -1)
    if not 0 <= number < LIMIT:
        raise FormatError("delta: the control column is cut short or holds a number over its limit")
    return number


def _ranges(numbers: Iterator[int], count: int) -> tuple[AddressRange, ...]:
    if not 1 <= count <= MAX_RANGES:
        raise FormatError("delta: too many or no address ranges")
    ranges = tuple(AddressRange(_next(numbers), _next(numbers), _next(numbers), _next(numbers)) for _ in range(count))
    for one, other in pairwise(ranges):
        if one.start + one.length > other.start or one.end > other.address:
            raise FormatError("delta: address ranges do not ascend or overlap")
    if ranges[-1].end >= LIMIT:
        raise FormatError("delta: an address range exceeds its limit")
    return ranges


def _pairs(numbers: Iterator[int], limit: int) -> tuple[tuple[int, int], ...]:
    count = _next(numbers)
    if count > limit:
        raise FormatError("delta: too many address pairs")
    return tuple((_next(numbers), _next(numbers)) for _ in range(count))


def _debug(numbers: Iterator[int], bases: int) -> DebugSections | None:
    count = _next(numbers)
    if not count:
        return None
    info, info_size, abbreviations, size = (_next(numbers) for _ in range(4))
    counted = [_next(numbers) for _ in SECTIONS]
    if count > 1 or info_size > MAX_INFO or size > MAX_ABBREVIATIONS or not counted[0] or max(counted) > bases:
        raise FormatError("delta: more debugging information than one program's, or without a base")
    numbered = tuple(number - 1 if number else None for number in counted)
    return DebugSections(info, info_size, abbreviations, size, numbered)


class AddressMap:
    """Addresses of a group's covers, and the predictor that its covers give.

    `covers` are triples (target offset, source position, length); `slice_of` gives bytes of the sources.
    """

    def __init__(
        self,
        addresses: Addresses,
        covers: Sequence[tuple[int, int, int]],
        memory: Memory,
        slice_of: SliceOf = lambda _position, _size: None,
    ) -> None:
        self._sources = addresses.sources
        self._targets = addresses.targets
        self._source_starts = [item.start for item in addresses.sources]
        self._target_starts = [item.start for item in addresses.targets]
        self.bases = addresses.bases
        self._debug = addresses.debug
        self._slice_of = slice_of
        self._has_debug = False
        moved = []
        for target, source, length in covers:
            if length >= MIN_COVER:
                origin = _address(self._sources, self._source_starts, source)
                landing = _address(self._targets, self._target_starts, target)
                if origin is not None and landing is not None:
                    moved.append((origin, landing, length))
        points = dict(addresses.points)
        points.update(_points(moved))
        self.predictor = Predictor([(item.address, item.end) for item in self._sources], sorted(points.items()), memory)

    def base(self, mode: int) -> tuple[int, int] | None:
        """Return what 32-bit offsets count from in a mode (source, target); None if there is no such mode.

        Debugging information is read when its mode is first asked for.
        """
        number = (mode - BASED) // 3
        if mode == DEBUG and not self._read_debug():
            return None
        if number < 0:
            return 0, 0
        return self.bases[number] if number < len(self.bases) else None

    def _read_debug(self) -> bool:
        """Return whether there is debugging information, which is read if it has not been."""
        if not self._has_debug and self._debug is not None:
            found = self._debug.open(self._slice_of, self.bases)
            if found is not None:
                self.predictor.read_fields(found)
                self._has_debug = True
        return self._has_debug

    def locate(self, target: int, source: int) -> tuple[int, int]:
        """Return the addresses (source, target) where a cover begins; what no range holds stands where it
        lies."""
        origin = _address(self._sources, self._source_starts, source)
        landing = _address(self._targets, self._target_starts, target)
        return source if origin is None else origin, target if landing is None else landing


def _address(ranges: tuple[AddressRange, ...], starts: list[int], position: int) -> int | None:
    index = bisect_right(starts, position) - 1
    if index < 0 or position >= ranges[index].start + ranges[index].length:
        return None
    return ranges[index].address + position - ranges[index].start


def _points(covers: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the points (source address, target address) of covers (source address, target address, length).

    Where covers overlap in the source the longest counts, then the one that begins first, then the lowest
    target.
    """
    covers.sort()
    open_covers: list[tuple[int, int, int]] = []  # a heap of (-length, source, target)
    following = 0
    at = 0
    shift: int | None = None
    while following < len(covers) or open_covers:
        if not open_covers:
            source, target, length = covers[following]
            if at <= source and (following + 1 == len(covers) or source + length <= covers[following + 1][0]):
                following += 1  # alone, as most are
                at = source + length
                if shift != target - source:
                    shift = target - source
                    yield source, target
                continue
            at = max(at, source)
        while following < len(covers) and covers[following][0] <= at:
            source, target, length = covers[following]
            heapq.heappush(open_covers, (-length, source, target))
            following += 1
        while open_covers and open_covers[0][1] - open_covers[0][0] <= at:
            heapq.heappop(open_covers)
        if not open_covers:
            continue
        negative, source, target = open_covers[0]
        if shift != target - source:
            shift = target - source
            yield at, at + shift
        at = source - negative
        if following < len(covers):
            at = min(at, covers[following][0])
