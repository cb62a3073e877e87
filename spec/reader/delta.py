"""Deltas (DELTA.md): a target made of literals and of covers, which are copies of the sources, corrected."""

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import zstandard

from . import tar_headers, zstd
from .cursor import Cursor
from .debug_info import NO_DEBUG_INFO, DebugInfo
from .errors import refusing, require
from .mixing import Coder, Mixing
from .predict import Group, Range

MAGIC = b"APD\x01"
WINDOWS = (1 << 20, 1 << 22, 1 << 22, 1 << 20, 1 << 26, 1 << 22, 1 << 22)
CONTROL, LENGTHS, SOURCES, MODES, LITERALS, GAPS, VALUES = range(7)
MAX_DECODED, MAX_STORED, MAX_STRETCH, MAX_ADDRESS = 25165824, 25427968, 1048576, 2**62 - 1


class _Column:
    """One column: the frame that goes through all segments, never ended."""

    def __init__(self, window: int) -> None:
        self.begun, self.unpacker = False, zstd.decompressor(window)

    def unpack(self, stored: bytes, size: int) -> bytes:
        """What a segment has of it: `size` bytes."""
        with refusing(zstandard.ZstdError, "a column without a header"):
            ends, ended = zstd.walk(stored, 0 if self.begun else zstandard.frame_header_size(stored))
        self.begun = True
        require(not ended, "a column's frame that ends")
        out = zstd.feed(self.unpacker, stored, 0, ends, size)
        require(len(out) == size, "a column that is smaller than the segment says")
        return out


@dataclass
class _Segment:
    """The columns of one segment, and where its covers and its corrections stand."""

    columns: list[Cursor]
    mixing: Mixing | None  # what reads literals and corrections if they are mixed
    position: int = 0
    gap: int = -1  # right bytes before the next wrong one; -1: not read yet

    def correct(self, copy: bytearray, mode: int, address: int) -> None:
        """Correct one piece of a copy: all copies of the segment form one row of bytes."""
        if self.mixing:
            if not self.mixing.is_right(copy, mode):
                self.mixing.correct(copy, mode, address)
            return
        at = 0
        while self.gap >= 0 or self.columns[GAPS].left:
            if self.gap < 0:
                self.gap = self.columns[GAPS].number()
            if self.gap >= len(copy) - at:
                self.gap -= len(copy) - at
                return
            at, self.gap = at + self.gap + 1, -1
            value = self.columns[VALUES].take(1)[0]
            require(value, "a value that corrects nothing")
            copy[at - 1] = (copy[at - 1] + value) % 256


class _Delta:
    def __init__(self, delta: bytes, sources: list[bytes], limit: int) -> None:
        """Read what comes before the segments."""
        self.cursor = cursor = Cursor(delta)
        require(cursor.take(4) == MAGIC, "no delta, or one of another version")
        self.size = cursor.number(limit)
        require(cursor.number(65536) == len(sources), "a delta of another number of sources")
        require(all(cursor.number() == len(source) for source in sources), "a delta of sources of other sizes")
        self.sources, self.begins = sources, [0]
        for source in sources:
            self.begins.append(self.begins[-1] + len(source))
        self.columns = [_Column(window) for window in WINDOWS]
        self.target = bytearray()
        self.groups = self.instructions = self.addressed = 0
        self.debugging = self.size + self.begins[-1]  # how many bytes of debugging information there may still be
        self.memory: dict[int, tuple[int, int]] = {}
        self.times = tar_headers.Times()
        self.mixing: Mixing | None = None
        self.following = 0  # the position where the last copy would go on
        self.group: Group | None = None  # with addresses
        self.waiting: deque[tuple[int, int, int]] = deque()  # instructions: literal, cover, position

    def apply(self) -> bytes:
        """Carry out all segments."""
        while len(self.target) < self.size:
            before = len(self.target)
            segment = self._segment()
            for _ in range(segment.columns[CONTROL].number()):
                if not self.waiting:
                    self._begin_group(segment)
                self._instruction(segment, *self.waiting.popleft())
            require(segment.gap < 0, "a gap without a value")
            if segment.mixing:
                require(not segment.mixing.coder.left, "mixed bytes that are not used up")
            require(not any(column.left for column in segment.columns), "a column that is not used up")
            require(len(self.target) > before, "a segment without content")
        require(not self.waiting, "an instruction that no segment carries out")
        require(not self.cursor.left, "bytes behind a delta")
        return bytes(self.target)

    def _segment(self) -> _Segment:
        cursor, sizes = self.cursor, []
        for _ in WINDOWS:
            decoded = cursor.number(MAX_DECODED)
            sizes.append((decoded, cursor.number(MAX_STORED) if decoded else 0))
        require(sum(size for size, _ in sizes) <= MAX_DECODED, "a segment over its limit")
        require(sum(size for _, size in sizes) <= MAX_STORED, "a segment over its limit")
        mixed = 0 if any(size for size, _ in sizes[LITERALS:]) else cursor.number(MAX_STORED)
        columns = []
        for column, (decoded, stored) in zip(self.columns, sizes, strict=True):
            packed = cursor.take(stored)
            columns.append(Cursor(column.unpack(packed, decoded) if decoded else b""))
        if not mixed:
            return _Segment(columns, None)
        self.mixing = self.mixing or Mixing(self.size)
        self.mixing.coder = Coder(cursor.take(mixed))
        return _Segment(columns, self.mixing)

    def _begin_group(self, segment: _Segment) -> None:
        control, lengths = segment.columns[CONTROL], segment.columns[LENGTHS]
        count = control.number(262144)
        require(count, "a group without instructions")
        self.groups, self.instructions = self.groups + 1, self.instructions + count
        require(self.groups <= 1024 + self.size // 256, "too many groups")
        require(self.instructions <= 65536 + self.size // 8, "too many instructions")
        sources = self._ranges(control)
        targets = self._ranges(control) if sources else []
        require(bool(sources) == bool(targets), "no target range")
        points = self._numbers(control, 256, 2) if sources else []
        bases = self._numbers(control, 64, 2) if sources else []
        info = self._debug_info(control, bases) if sources and control.number(1) else NO_DEBUG_INFO
        covers, target = [], len(self.target)
        for _ in range(count):
            literal, cover = lengths.number(), lengths.number()
            require(literal or cover, "an instruction that does nothing")
            if cover:
                folded = segment.columns[SOURCES].number()
                segment.position += folded >> 1 ^ -(folded & 1)
                covers.append((segment.position, target + literal, cover))
            self.waiting.append((literal, cover, segment.position))
            segment.position, target = segment.position + cover, target + literal + cover
        self.group = None
        if sources:
            self.addressed += 1
            moved = {point[0]: point[1] for point in points}
            self.group = Group(sources, targets, moved, bases, info, self.addressed, self.memory)
            self.group.add_covers(covers)

    def _numbers(self, control: Cursor, most: int, width: int) -> list[tuple[int, ...]]:
        """A count, and so many rows of numbers of addresses."""
        return [tuple(control.number(MAX_ADDRESS) for _ in range(width)) for _ in range(control.number(most))]

    def _debug_info(self, control: Cursor, bases: list[tuple[int, ...]]) -> DebugInfo:
        info, abbreviations = self._part(control, 2**31, 1), self._part(control, 2**22, 16)
        numbers = [control.number(len(bases)) for _ in range(6)]
        require(numbers[0], "debugging information without a base")
        return DebugInfo(info, abbreviations, {place: bases[one - 1] for place, one in enumerate(numbers) if one})

    def _part(self, control: Cursor, most: int, counted: int) -> bytes:
        """A part of debugging information, each byte of which is counted so many times."""
        source, at = self._source_at(control.number(MAX_ADDRESS))
        length = control.number(most)
        self.debugging -= counted * length
        require(at + length <= len(source), "debugging information outside of its source")
        require(self.debugging >= 0, "too much debugging information")
        return source[at : at + length]

    def _ranges(self, control: Cursor) -> list[Range]:
        ranges = [Range(*row) for row in self._numbers(control, 16, 4)]
        for one, other in zip(ranges, [*ranges[1:], Range(2**62 - 1, 0, 2**62 - 1, 0)], strict=False):
            require(one.start + one.length <= other.start, "ranges that overlap, or are out of order")
            require(one.end <= other.address, "ranges that overlap, or are out of order")
        return ranges

    def _source_at(self, position: int) -> tuple[bytes, int]:
        """The source that holds a position, and where in it that is."""
        number = min(bisect_right(self.begins, position), len(self.sources)) - 1
        return (self.sources[number], position - self.begins[number]) if self.sources else (b"", position)

    def _instruction(self, segment: _Segment, literal: int, cover: int, position: int) -> None:
        require(literal + cover <= self.size - len(self.target), "a delta that makes more than it says")
        if segment.mixing and literal:
            source, at = self._source_at(self.following)
            self.target += segment.mixing.literal(literal, source[at : at + literal], len(self.target))
        else:
            self.target += segment.columns[LITERALS].take(literal)
        if not cover:
            return
        source, at = self._source_at(position)
        require(0 <= at <= len(source) - cover, "a cover outside of its source")
        self.following = position + cover
        original, group, here = source[at : at + cover], self.group, len(self.target)
        mode = segment.columns[MODES].take(1)[0] if group else 0
        landing = group.landing(here) if group else here
        if group and mode:
            require(cover <= MAX_STRETCH, "a predicted cover over its limit")
            copy = bytearray(original)
            group.read(mode, original, copy, False, position, here)
            segment.correct(copy, mode, landing)
            group.read(mode, original, copy, True, position, here)
            self.target += copy
        else:
            for begin in range(0, cover, MAX_STRETCH):
                self.target += self._copied(segment, original[begin : begin + MAX_STRETCH], landing + begin)

    def _copied(self, segment: _Segment, source: bytes, address: int) -> bytearray:
        """A stretch of a copy without prediction, corrected: in parts that end within headers of tars."""
        copy, begin, headers = bytearray(source), 0, tar_headers.find(source)
        is_right = bool(headers and segment.mixing and segment.mixing.is_right(source, 0))

        def correct(end: int) -> None:
            if not is_right:
                part = copy[begin:end]
                segment.correct(part, 0, address + begin)
                copy[begin:end] = part

        for at in headers:
            header, end = source[at : at + tar_headers.SIZE], at + tar_headers.CHECKSUM.start
            copy[at : at + tar_headers.SIZE] = self.times.with_time(header)
            correct(end)
            copy[at : at + tar_headers.SIZE] = self.times.with_checksum(header, copy[at : at + tar_headers.SIZE])
            begin = end
        correct(len(copy))
        return copy


def apply(delta: bytes, sources: list[bytes], limit: int) -> bytes:
    """The target of a delta, of at most `limit` bytes."""
    return _Delta(delta, sources, limit).apply()
