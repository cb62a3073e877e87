"""Deltas (DELTA.md): a target made of literals and of covers, which are copies of the sources, corrected."""

from bisect import bisect_right
from dataclasses import dataclass, field

import zstandard

from . import zstd
from .errors import FormatError, require
from .mixing import Mixing
from .predict import Group, Range

MAGIC = b"APD\x01"
WINDOWS = (1 << 20, 1 << 22, 1 << 22, 1 << 20, 1 << 26, 1 << 22, 1 << 22)
CONTROL, LENGTHS, SOURCES, MODES, LITERALS, GAPS, VALUES = range(7)
MAX_DECODED, MAX_STORED, MAX_PREDICTED = 25165824, 25427968, 1048576


@dataclass
class Cursor:
    """Bytes that are read from the beginning to the end."""

    data: bytes
    at: int = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """The next bytes (FormatError if there are not as many)."""
        require(0 <= count <= self.left, "bytes that end early")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, limit: int = 2**63 - 1) -> int:
        """A number in its shortest form, up to the limit (else FormatError)."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            require(value < 2**63 and (byte or not shift), "a number that is too large, or not in its shortest form")
            if byte < 0x80:
                require(value <= limit, "a number over its limit")
                return value
            shift += 7


class _Column:
    """One column: the frame that goes through all segments, never ended."""

    def __init__(self, window: int) -> None:
        self.max_window, self.window, self.begun = window, 0, False
        self.unpacker = zstandard.ZstdDecompressor().decompressobj()

    def unpack(self, stored: bytes, size: int) -> bytes:
        at = 0
        if not self.begun:
            _, _, self.window, at = zstd.header_size(stored, 0)
            require(self.window <= self.max_window, "a window over that of the column")
            self.begun = True
        blocks, ended = zstd.walk(stored, at, self.window)
        require(not ended, "a column's frame that ends")
        out = bytearray()
        try:
            begin = 0
            for end in blocks:  # one by one: a block makes 128 KiB at most
                out += self.unpacker.decompress(stored[begin:end])
                require(len(out) <= size, "a column that is larger than the segment says")
                begin = end
        except zstandard.ZstdError as error:
            raise FormatError(f"a column that does not decompress: {error}") from error
        require(len(out) == size, "a column that is smaller than the segment says")
        return bytes(out)


@dataclass
class _Segment:
    """The columns of one segment, and where its covers and its corrections stand."""

    columns: list[Cursor]
    mixing: Mixing | None  # what reads literals and corrections if they are mixed
    position: int = 0
    gap: int = field(default=-1)  # right bytes before the next wrong one; -1: not read yet

    def corrected(self, copy: bytearray) -> bytearray:
        """Correct one copy: all copies of the segment form one row of bytes."""
        at = 0
        while True:
            if self.gap < 0:
                if not self.columns[GAPS].left:
                    return copy
                self.gap = self.columns[GAPS].number()
            if self.gap >= len(copy) - at:
                self.gap -= len(copy) - at
                return copy
            at += self.gap
            value = self.columns[VALUES].take(1)[0]
            require(value, "a value that corrects nothing")
            copy[at] = (copy[at] + value) % 256
            at, self.gap = at + 1, -1


class _Applier:
    def __init__(self, delta: bytes, sources: list[bytes], limit: int) -> None:
        self.cursor = cursor = Cursor(delta)
        require(cursor.take(4) == MAGIC, "no delta, or one of another version")
        self.size = cursor.number(limit)
        require(cursor.number(65536) == len(sources), "a delta of another number of sources")
        require(all(cursor.number() == len(source) for source in sources), "a delta of sources of other sizes")
        self.begins = [0]
        for source in sources:
            self.begins.append(self.begins[-1] + len(source))
        self.sources = sources
        self.columns = [_Column(window) for window in WINDOWS]
        self.target = bytearray()
        self.instructions, self.groups, self.addressed = 0, 0, 0
        self.memory: dict[int, tuple[int, int]] = {}
        self.mixing: Mixing | None = None
        self.following = 0  # the position where the last copy would go on

    def apply(self) -> bytes:
        group: Group | None = None
        lengths: list[tuple[int, int]] = []
        covers: list[tuple[int, int, int]] = []  # those to come, the next one last
        done = 0
        while len(self.target) < self.size:
            before = len(self.target)
            segment = self._segment()
            control = segment.columns[CONTROL]
            count = control.number()
            while count:
                if done == len(lengths):
                    group, lengths, covers = self._group(segment)
                    done = 0
                step = min(count, len(lengths) - done)
                for literal, cover in lengths[done : done + step]:
                    self._instruction(segment, group, literal, cover, covers.pop()[0] if cover else 0)
                done, count = done + step, count - step
            require(segment.gap < 0, "a gap without a value")
            if segment.mixing:
                segment.mixing.end()
            require(not any(column.left for column in segment.columns), "a column that is not used up")
            require(len(self.target) > before, "a segment without content")
        require(done == len(lengths), "an instruction that no segment carries out")
        require(not self.cursor.left, "bytes behind a delta")
        return bytes(self.target)

    def _segment(self) -> _Segment:
        sizes = []
        for _ in WINDOWS:
            decoded = self.cursor.number(MAX_DECODED)
            sizes.append((decoded, self.cursor.number(MAX_STORED) if decoded else 0))
        require(sum(size for size, _ in sizes) <= MAX_DECODED, "a segment over its limit")
        require(sum(size for _, size in sizes) <= MAX_STORED, "a segment over its limit")
        apart = any(size for size, _ in sizes[LITERALS:])
        mixed = 0 if apart else self.cursor.number(MAX_STORED)
        stored = [self.cursor.take(size) for _, size in sizes]
        pairs = zip(self.columns, stored, sizes, strict=True)
        columns = [Cursor(column.unpack(part, size[0]) if size[0] else b"") for column, part, size in pairs]
        if not mixed:
            return _Segment(columns, None)
        self.mixing = self.mixing or Mixing(self.size)
        self.mixing.begin(self.cursor.take(mixed))
        return _Segment(columns, self.mixing)

    def _group(self, segment: _Segment) -> tuple[Group | None, list[tuple[int, int]], list[tuple[int, int, int]]]:
        control, limit = segment.columns[CONTROL], 2**62 - 1
        count = control.number(262144)
        require(count, "a group without instructions")
        self.groups += 1
        self.instructions += count
        require(self.groups <= 1024 + self.size // 256, "too many groups")
        require(self.instructions <= 65536 + self.size // 8, "too many instructions")
        ranges: list[list[Range]] = [[], []]
        pairs: list[list[tuple[int, int]]] = [[], []]
        number = control.number(16)
        if number:
            for at in (0, 1):
                if at:
                    number = control.number(16)
                    require(number, "no target range")
                ranges[at] = [Range(*(control.number(limit) for _ in range(4))) for _ in range(number)]
                for one, other in zip(ranges[at], ranges[at][1:], strict=False):
                    require(one.start + one.length <= other.start, "ranges that overlap, or are out of order")
                    require(one.end <= other.address, "ranges that overlap, or are out of order")
                last = ranges[at][-1]
                require(last.start + last.length < 2**62 and last.end < 2**62, "a range beyond 2^62")
            for at, most in ((0, 256), (1, 64)):
                pairs[at] = [(control.number(limit), control.number(limit)) for _ in range(control.number(most))]
        lengths = [(segment.columns[LENGTHS].number(), segment.columns[LENGTHS].number()) for _ in range(count)]
        require(all(literal or cover for literal, cover in lengths), "an instruction that does nothing")
        covers = self._covers(lengths, segment)
        if not ranges[0]:
            return None, lengths, covers[::-1]
        self.addressed += 1
        group = Group(ranges[0], ranges[1], pairs[1], self.addressed, self.memory)
        group.place(pairs[0], covers)
        return group, lengths, covers[::-1]

    def _covers(self, lengths: list[tuple[int, int]], segment: _Segment) -> list[tuple[int, int, int]]:
        """Position, target offset and length of each cover of a group that is not empty."""
        covers, target = [], len(self.target)
        for literal, cover in lengths:
            target += literal
            if cover:
                folded = segment.columns[SOURCES].number()
                segment.position += folded >> 1 ^ -(folded & 1)
                covers.append((segment.position, target, cover))
                segment.position, target = segment.position + cover, target + cover
        return covers

    def _following(self, count: int) -> bytes:
        """The bytes with which the last copy would go on, of the source that holds the first one."""
        number = bisect_right(self.begins, self.following) - 1
        if number == len(self.sources):
            return b""
        at = self.following - self.begins[number]
        return self.sources[number][at : at + count]

    def _instruction(self, segment: _Segment, group: Group | None, literal: int, cover: int, position: int) -> None:
        require(literal + cover <= self.size - len(self.target), "a delta that makes more than it says")
        if segment.mixing and literal:
            following = self._following(literal)
            self.target += segment.mixing.literal(literal, following, len(self.target))
        else:
            self.target += segment.columns[LITERALS].take(literal)
        if not cover:
            return
        require(0 <= position < self.begins[-1], "a cover outside of the sources")
        number = bisect_right(self.begins, position) - 1
        at = position - self.begins[number]
        require(at + cover <= len(self.sources[number]), "a cover outside of its source")
        self.following = position + cover
        original = self.sources[number][at : at + cover]
        copy = bytearray(original)
        mode = segment.columns[MODES].take(1)[0] if group else 0
        if group and mode:
            require(cover <= MAX_PREDICTED, "a predicted cover over its limit")
            group.predict(mode, original, copy, position, len(self.target))
        if segment.mixing:
            segment.mixing.correct(copy, mode, group.landing(len(self.target)) if group else len(self.target))
        else:
            copy = segment.corrected(copy)
        if group and mode:
            group.learn(mode, original, copy, position, len(self.target))
        self.target += copy


def apply(delta: bytes, sources: list[bytes], limit: int) -> bytes:
    """The target of a delta, of at most `limit` bytes.

    Raises:
        FormatError: the delta breaks a rule, is of other sources, or makes more.
    """
    return _Applier(delta, sources, limit).apply()
