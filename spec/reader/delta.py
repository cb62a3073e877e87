"""Deltas (DELTA.md): a target made of literals and of covers, which are copies of the sources, corrected."""

from bisect import bisect_right
from collections import deque
from itertools import accumulate
from typing import Any

from . import zstd
from .cursor import Cursor
from .errors import extension, require

MAGIC = b"APD\x01"
WINDOWS = (1 << 20, 1 << 22, 1 << 22, 1 << 20, 1 << 26, 1 << 22, 1 << 22)
CONTROL, LENGTHS, SOURCES, MODES, LITERALS, GAPS, VALUES = range(7)
MAX_DECODED, MAX_STORED, MAX_STRETCH = 25165824, 25427968, 1048576


class _Segment:
    """The columns of one segment; `mixing` reads literals and corrections if these are mixed."""

    def __init__(self, cursor: Cursor, unpackers: list[zstd.Column]) -> None:
        decoded = (cursor.number(MAX_DECODED) for _ in WINDOWS)
        sizes = [(size, cursor.number(MAX_STORED) if size else 0) for size in decoded]
        require(sum(size for size, _ in sizes) <= MAX_DECODED, "a segment over its limit")
        require(sum(size for _, size in sizes) <= MAX_STORED, "a segment over its limit")
        mixed = 0 if any(size for size, _ in sizes[LITERALS:]) else cursor.number(MAX_STORED)
        stored = [(cursor.take(size), decoded) for decoded, size in sizes]
        self.columns = [Cursor(one.unpack(*of)) for one, of in zip(unpackers, stored, strict=True)]
        self.mixed = cursor.take(mixed)
        self.mixing: Any = None
        gaps, values = self.columns[GAPS], self.columns[VALUES]
        ends = accumulate(gaps.number() + 1 for _ in iter(lambda: gaps.left, 0))
        self.wrong = deque((end - 1, values.byte()) for end in ends)  # where in the row of all copies, what to add
        require(all(value for _, value in self.wrong), "a value that corrects nothing")
        self.position = self.corrected = 0  # in the sources, and in that row

    def correct(self, copy: bytearray, mode: int, address: int) -> None:
        """Correct one piece of a copy, which was predicted with this mode and is for this address."""
        if self.mixing:
            if not self.mixing.is_right(copy, mode):
                self.mixing.correct(copy, mode, address)
            return
        begin, self.corrected = self.corrected, self.corrected + len(copy)
        while self.wrong and self.wrong[0][0] < self.corrected:
            place, value = self.wrong.popleft()
            copy[place - begin] = (copy[place - begin] + value) % 256

    def end(self) -> None:
        """Refuse what is not used up."""
        require(not self.wrong, "a correction behind the last copy")
        require(not (self.mixing and self.mixing.coder.left), "mixed bytes that are not used up")
        require(not any(column.left for column in self.columns), "a column that is not used up")


class _Delta:
    def __init__(self, delta: bytes, sources: list[bytes], limit: int) -> None:
        """Read what comes before the segments."""
        self.cursor = cursor = Cursor(delta)
        require(cursor.take(4) == MAGIC, "no delta, or one of another version")
        self.size = cursor.number(limit)
        require(cursor.number(65536) == len(sources), "a delta of another number of sources")
        require(all(cursor.number() == len(source) for source in sources), "a delta of sources of other sizes")
        self.sources, self.begins = sources, [0, *accumulate(map(len, sources))]
        self.unpackers = [zstd.Column(window) for window in WINDOWS]
        self.target = bytearray()
        self.groups = self.instructions = 0
        self.following = 0  # the position where the last copy would go on
        self.waiting: deque[tuple[int, int, int]] = deque()  # instructions: literal, cover, position
        self.group: Any = None  # with addresses
        self.addresses: Any = None  # what extensions know of this delta
        self.mixing: Any = None
        self.times: Any = None

    def apply(self) -> bytes:
        """Carry out all segments."""
        while len(self.target) < self.size:
            before, segment = len(self.target), _Segment(self.cursor, self.unpackers)
            if segment.mixed:
                self.mixing = self.mixing or extension("mixing").Mixing(self.size)
                segment.mixing = self.mixing.begin(segment.mixed)
            for _ in range(segment.columns[CONTROL].number()):
                if not self.waiting:
                    self._begin_group(segment)
                self._instruction(segment, *self.waiting.popleft())
            segment.end()
            require(len(self.target) > before, "a segment without content")
        require(not self.waiting, "an instruction that no segment carries out")
        require(not self.cursor.left, "bytes behind a delta")
        return bytes(self.target)

    def _begin_group(self, segment: _Segment) -> None:
        control, lengths, sources = segment.columns[: SOURCES + 1]
        count, self.group = control.number(262144), None
        require(count, "a group without instructions")
        self.groups, self.instructions = self.groups + 1, self.instructions + count
        require(self.groups <= 1024 + self.size // 256, "too many groups")
        require(self.instructions <= 65536 + self.size // 8, "too many instructions")
        if ranges := control.number(16):
            self.addresses = self.addresses or extension("addresses").Addresses(self.size, self.sources)
            self.group = self.addresses.group(control, ranges)
        covers, target = [], len(self.target)
        for _ in range(count):
            literal, cover = lengths.number(), lengths.number()
            require(literal or cover, "an instruction that does nothing")
            target += literal
            if cover:
                folded = sources.number()
                segment.position += folded >> 1 ^ -(folded & 1)
                covers.append((segment.position, target, cover))
            self.waiting.append((literal, cover, segment.position))
            segment.position, target = segment.position + cover, target + cover
        if self.group:
            self.group.add_covers(covers)

    def _source_at(self, position: int, length: int) -> bytes:
        """Bytes at a position, as far as they lie within one source."""
        number = max(bisect_right(self.begins, position) - 1, 0)
        at = position - self.begins[number]
        return self.sources[number][at : at + length] if at >= 0 and number < len(self.sources) else b""

    def _instruction(self, segment: _Segment, literal: int, cover: int, position: int) -> None:
        require(literal + cover <= self.size - len(self.target), "a delta that makes more than it says")
        if segment.mixing and literal:
            ahead = self._source_at(self.following, literal)
            self.target += segment.mixing.literal(literal, ahead, len(self.target))
        else:
            self.target += segment.columns[LITERALS].take(literal)
        if not cover:
            return
        original, here = self._source_at(position, cover), len(self.target)
        require(len(original) == cover, "a cover outside of its source")
        self.following = position + cover
        mode = segment.columns[MODES].byte() if self.group else 0
        require(not mode or cover <= MAX_STRETCH, "a predicted cover over its limit")
        landing = self.group.landing(here) if self.group else here
        for begin in range(0, cover, MAX_STRETCH):
            stretch = original[begin : begin + MAX_STRETCH]
            copy, is_right = bytearray(stretch), False
            parts = iter([slice(0, len(copy))])
            if mode:
                parts = self.group.parts(mode, stretch, copy, position, here)
            elif b"ustar" in stretch and (headers := extension("tar_headers").find(stretch)):
                self.times = self.times or extension("tar_headers").Times()
                parts = self.times.parts(stretch, copy, headers)
                is_right = segment.mixing is not None and segment.mixing.is_right(stretch, 0)
            for (
                part
            ) in parts:  # what is foretold of a part is in the copy by now; asking for the next one learns from it
                piece = copy[part]
                if not is_right:
                    segment.correct(piece, mode, landing + begin + part.start)
                copy[part] = piece
            self.target += copy


def apply(delta: bytes, sources: list[bytes], limit: int) -> bytes:
    """The target of a delta, of at most `limit` bytes."""
    return _Delta(delta, sources, limit).apply()
