"""Predicted references (DELTA.md, Prediction): addresses inside a copy that change as what they point at moved."""

import heapq
from bisect import bisect_right
from dataclasses import dataclass

from .errors import require

_M64 = 2**64 - 1
_PAGE = ~0xFFF & _M64


@dataclass(frozen=True)
class Range:
    """`length` bytes from `start` stand at `address`, followed by `zeros` bytes that the file does not hold."""

    start: int
    length: int
    address: int
    zeros: int

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.length + self.zeros


def _address(ranges: list[Range], offset: int) -> int | None:
    for one in ranges:
        if one.start <= offset < one.start + one.length:
            return one.address + offset - one.start
    return None


class Group:
    """What a group with addresses knows of where things went."""

    def __init__(
        self,
        sources: list[Range],
        targets: list[Range],
        bases: list[tuple[int, int]],
        number: int,
        memory: dict[int, tuple[int, int]],
    ) -> None:
        """Begin a group, the `number`th one with addresses of the delta, from 1; `memory` is that of the delta."""
        self.sources, self.targets, self.bases, self.memory = sources, targets, bases, memory
        self.key = number << 48 & _M64
        self.points: dict[int, int] = {}
        self.places: list[int] = []

    def place(self, head: list[tuple[int, int]], covers: list[tuple[int, int, int]]) -> None:
        """Set the points: those of the head, and those of the covers (position, target offset, length)."""
        self.points = dict(head)
        occupants = []
        for position, target, length in covers:
            origin, landing = _address(self.sources, position), _address(self.targets, target)
            if length >= 32 and origin is not None and landing is not None:
                occupants.append((origin, -length, landing))
        occupants.sort()
        edges = sorted({edge for origin, less, _ in occupants for edge in (origin, origin - less)})
        active: list[tuple[int, int, int]] = []
        following, before = 0, None
        for edge in edges:
            while following < len(occupants) and occupants[following][0] <= edge:
                origin, less, landing = occupants[following]
                heapq.heappush(active, (less, origin, landing))
                following += 1
            while active and active[0][1] - active[0][0] <= edge:
                heapq.heappop(active)
            if active and active[0][2] - active[0][1] != before:
                before = active[0][2] - active[0][1]
                self.points[edge] = edge + before
        self.places = sorted(self.points)

    def valid(self, address: int) -> bool:
        """Whether a source range holds the address."""
        return any(one.address <= address < one.end for one in self.sources)

    def slot(self, address: int) -> int:
        """Where memory holds the address."""
        return (address * 0x9E3779B97F4A7C15 & _M64) >> 46

    def moved(self, address: int) -> int:
        """The target address of a source address."""
        address &= _M64
        key, known = self.memory.get(self.slot(address), (0, 0))
        if key == address ^ self.key:
            return known
        at = bisect_right(self.places, address) - 1
        return address if at < 0 else self.points[self.places[at]] + address - self.places[at] & _M64

    def landing(self, target: int) -> int:
        """The landing of a cover that goes to this offset of the target."""
        address = _address(self.targets, target)
        return target if address is None else address

    def predict(self, mode: int, original: bytes, copy: bytearray, position: int, target: int) -> None:
        """Change the references in a copy of the bytes at `position` that goes to the offset `target`."""
        _Reading(self, mode, original, copy, False, position, target).read()

    def learn(self, mode: int, original: bytes, finished: bytearray, position: int, target: int) -> None:
        """Note where the references in the finished bytes point."""
        _Reading(self, mode, original, finished, True, position, target).read()


class _Reading:
    """One pass over the references of a cover: to change them, or to learn from what they became."""

    def __init__(
        self, group: Group, mode: int, original: bytes, out: bytearray, learning: bool, position: int, target: int
    ) -> None:
        origin = _address(group.sources, position)
        self.origin = position if origin is None else origin
        self.landing = group.landing(target)
        self.group, self.mode, self.original, self.out, self.learning = group, mode, original, out, learning

    def read(self) -> None:
        number, kind = divmod(self.mode - 6, 3)
        base = (0, 0)
        if self.mode >= 6:
            require(number < len(self.group.bases), "a prediction with a base that is not there")
            base = self.group.bases[number]
        if self.mode == 1:
            self._x86()
        elif self.mode == 2:
            self._aarch64()
        elif self.mode == 3:
            for at in self._steps(8, 8):
                self._field(at, 8, 0, 0)
        elif self.mode == 4:
            for at in self._steps(4, 4):
                self._field(at, 4, self.origin + at, self.landing + at)
        elif self.mode == 5:
            self._frames()
        elif kind == 0:
            for at in self._steps(4, 4):
                self._field(at, 4, *base)
        else:
            self._tables(kind == 1, *base)

    def _steps(self, align: int, size: int) -> range:
        return range(-self.origin % align, len(self.original) - size + 1, size)

    def _number(self, at: int, width: int, signed: bool = False) -> int:
        return int.from_bytes(self.original[at : at + width], "little", signed=signed)

    def _write(self, at: int, width: int, value: int) -> None:
        if not self.learning:
            self.out[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")

    def _note(self, address: int, meant: int) -> None:
        if self.learning and self.group.moved(address) != meant & _M64:
            self.group.memory[self.group.slot(address)] = (address ^ self.group.key, meant & _M64)

    def _field(self, at: int, width: int, source: int, target: int) -> bool:
        """A field that counts from these addresses; whether what it means is valid."""
        address = source + self._number(at, width, signed=width == 4) & _M64
        if not self.group.valid(address):
            return False
        self._write(at, width, self.group.moved(address) - target)
        self._note(address, target + int.from_bytes(self.out[at : at + width], "little", signed=width == 4))
        return True

    def _x86(self) -> None:
        data, at = self.original, 0
        while at + 4 <= len(data):
            if data[at] in (0xE8, 0xE9) or data[at] & 0xC7 == 5:
                field = at + 1
            elif data[at] == 0x0F and data[at + 1] & 0xF0 == 0x80:
                field = at + 2
            else:
                at += 1
                continue
            end = field + 4
            if end > len(data):
                return
            at = end if self._field(field, 4, self.origin + end, self.landing + end) else field

    def _span(self, at: int, width: int, address: int, span: int) -> None:
        moved = self.group.moved(address + span - 1) + 1 - self.group.moved(address) & _M64
        if 0 < moved < 2 * span:
            self._write(at, width, moved)

    def _frames(self) -> None:
        at = -self.origin % 4
        while at + 21 <= len(self.original):
            length, back, _, span = (self._number(at + place, 4) for place in (0, 4, 8, 12))
            address = self.origin + at + 8 + self._number(at + 8, 4, signed=True) & _M64
            right = 16 <= length < 65536 and 0 < back < 2**30 and not (length | back) & 3 and 0 < span < 2**30
            if not right or not self.group.valid(address):
                at += 4
                continue
            self._span(at + 12, 4, address, span)
            here = self.origin + at + 4
            self._write(at + 4, 4, self.landing + at + 4 - self.group.moved(here - back))
            self._field(at + 8, 4, self.origin + at + 8, self.landing + at + 8)
            if self.original[at + 16] == 4 and self._number(at + 17, 4):
                self._field(at + 17, 4, self.origin + at + 17, self.landing + at + 17)
            at += 4 + length

    def _tables(self, symbols: bool, source: int, target: int) -> None:
        at = -self.origin % 8
        while at + 24 <= len(self.original):
            if not (self._symbol if symbols else self._relocation)(at, source, target):
                at += 8
                continue
            at += 24

    def _symbol(self, at: int, source: int, target: int) -> bool:
        value, span = self._number(at + 8, 8), self._number(at + 16, 8)
        right = self.original[at + 4] & 0x0F <= 0x0A and self.original[at + 5] <= 3 and span < 2**32
        if not right or not (value == 0 or self.group.valid(value)):
            return False
        if value and span:
            self._span(at + 16, 8, value, span)
        self._field(at, 4, source, target)
        if value:
            self._field(at + 8, 8, 0, 0)
        return True

    def _relocation(self, at: int, source: int, target: int) -> bool:
        kind, symbol = self._number(at + 8, 4), self._number(at + 12, 4)
        if not 0 < kind < 2048 or not self.group.valid(self._number(at, 8)):
            return False
        self._field(at, 8, 0, 0)
        if symbol:
            address = source + 24 * symbol & _M64
            self._write(at + 12, 4, (self.group.moved(address) - target & _M64) // 24)
            self._note(address, target + 24 * int.from_bytes(self.out[at + 12 : at + 16], "little"))
        self._field(at + 16, 8, 0, 0)
        return True

    def _aarch64(self) -> None:
        pages, targets = [0] * 32, [0] * 32
        for at in self._steps(4, 4):
            word = self._number(at, 4)
            here, there = self.origin + at & _M64, self.landing + at & _M64
            if word & 0x7C000000 == 0x14000000:
                self._branch(at, word, 0, 26, 2, here, there)
            elif word & 0xFF000000 == 0x54000000 or word & 0x7E000000 == 0x34000000 or word & 0x3B000000 == 0x18000000:
                self._branch(at, word, 5, 19, 2, here, there)
            elif word & 0x7E000000 == 0x36000000:
                self._branch(at, word, 5, 14, 2, here, there)
            elif word & 0x9F000000 == 0x10000000:
                address = here + _split(word)
                if self.group.valid(address & _M64):
                    self._write(at, 4, _joined(word, self.group.moved(address) - there))
                    self._note(address & _M64, there + _split(self._out(at)))
                pages[word & 31] = targets[word & 31] = 0
            elif word & 0x9F000000 == 0x90000000:
                page = pages[word & 31] = (here & _PAGE) + (_split(word) << 12) & _M64
                address = page + self._offset_after(at, word & 31) & _M64
                if self.group.valid(address):
                    self._write(at, 4, _joined(word, ((self.group.moved(address) & _PAGE) - (there & _PAGE)) >> 12))
                targets[word & 31] = (there & _PAGE) + (_split(self._out(at)) << 12) & _M64
            else:
                self._low_bits(at, word, pages, targets)
                pages[word & 31] = targets[word & 31] = 0

    def _out(self, at: int) -> int:
        return int.from_bytes(self.out[at : at + 4], "little")

    def _branch(self, at: int, word: int, low: int, width: int, scale: int, here: int, there: int) -> None:
        mask = (1 << width) - 1
        address = here + (_signed(word >> low & mask, width) << scale) & _M64
        if self.group.valid(address):
            value = self.group.moved(address) - there >> scale & mask
            self._write(at, 4, word & ~(mask << low) | value << low)
            self._note(address, there + (_signed(self._out(at) >> low & mask, width) << scale))

    def _offset_after(self, at: int, register: int) -> int:
        for place in range(at + 4, min(at + 68, len(self.original) - 3), 4):
            word = self._number(place, 4)
            scale = _scale(word)
            if scale is not None and word >> 5 & 31 == register:
                return (word >> 10 & 0xFFF) << scale
        return 0

    def _low_bits(self, at: int, word: int, pages: list[int], targets: list[int]) -> None:
        scale, register = _scale(word), word >> 5 & 31
        if scale is None or not pages[register]:
            return
        address = pages[register] + ((word >> 10 & 0xFFF) << scale) & _M64
        if self.group.valid(address):
            low = self.group.moved(address) & 0xFFF
            if not low & (1 << scale) - 1:
                self._write(at, 4, word & ~(0xFFF << 10) | low >> scale << 10)
            self._note(address, targets[register] + ((self._out(at) >> 10 & 0xFFF) << scale))


def _scale(word: int) -> int | None:
    """By how much the field of an ADD, load or store is shifted; None for other words."""
    if word & 0xFFC00000 == 0x91000000:
        return 0
    if word & 0x3B000000 == 0x39000000:
        return 4 if word & 0xC4800000 == 0x04800000 else word >> 30
    return None


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> width - 1 else value


def _split(word: int) -> int:
    return _signed((word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3, 21)


def _joined(word: int, value: int) -> int:
    return word & ~(0x7FFFF << 5 | 3 << 29) | (value >> 2 & 0x7FFFF) << 5 | (value & 3) << 29
