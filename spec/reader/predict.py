"""Predicted references (DELTA.md, Prediction): addresses inside a copy that change as what they point at moved."""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .debug_info import ADDRESS, END, SPAN, UNIT, DebugInfo
from .errors import require

_M64 = 2**64 - 1
_PAGE = ~0xFFF & _M64


class Form(NamedTuple):
    """How a number stands in bytes: its runs of bits, each by lowest bit and width; the bits below `shift` are 0."""

    size: int
    runs: tuple[tuple[int, int], ...]
    shift: int = 0
    signed: bool = True

    def get(self, data: bytes | bytearray, at: int) -> int:
        """The number at this index."""
        word, value, width = int.from_bytes(data[at : at + self.size], "little"), 0, 0
        for low, bits in self.runs:
            value |= (word >> low & (1 << bits) - 1) << width
            width += bits
        return (value - (1 << width) if self.signed and value >> width - 1 else value) << self.shift

    def put(self, data: bytearray, at: int, value: int) -> None:
        """Write a number there, without the bits that have no room."""
        word, value = int.from_bytes(data[at : at + self.size], "little"), value >> self.shift
        for low, bits in self.runs:
            mask = (1 << bits) - 1
            word, value = word & ~(mask << low) | (value & mask) << low, value >> bits
        data[at : at + self.size] = word.to_bytes(self.size, "little")


_FIELD, _WIDE, _UINT = Form(4, ((0, 32),)), Form(8, ((0, 64),), signed=False), Form(4, ((0, 32),), signed=False)
_ADR, _ADRP = Form(4, ((29, 2), (5, 19))), Form(4, ((29, 2), (5, 19)), 12)
# AArch64 words with an offset from their address: mask, value, and how it stands there.
_BRANCHES = (
    (0x7C000000, 0x14000000, Form(4, ((0, 26),), 2)),
    (0xFF000000, 0x54000000, Form(4, ((5, 19),), 2)),
    (0x7E000000, 0x34000000, Form(4, ((5, 19),), 2)),
    (0x3B000000, 0x18000000, Form(4, ((5, 19),), 2)),
    (0x7E000000, 0x36000000, Form(4, ((5, 14),), 2)),
)


class Range(NamedTuple):
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


@dataclass
class Group:
    """What a group with addresses knows of where things went; `number` counts those of the delta, from 1."""

    sources: list[Range]
    targets: list[Range]
    points: dict[int, int]
    bases: list[tuple[int, ...]]
    info: DebugInfo
    number: int
    memory: dict[int, tuple[int, int]]

    def add_covers(self, covers: list[tuple[int, int, int]]) -> None:
        """Add the points of covers: position, target offset, length. Where they overlap, the longest occupies."""
        occupants = []
        for position, target, length in covers:
            origin, landing = _address(self.sources, position), _address(self.targets, target)
            if length >= 32 and origin is not None and landing is not None:
                occupants.append((origin, -length, landing))
        occupants.sort(reverse=True)
        active: list[tuple[int, int, int]] = []
        before = None
        for edge in sorted({edge for origin, less, _ in occupants for edge in (origin, origin - less)}):
            while occupants and occupants[-1][0] <= edge:
                origin, less, landing = occupants.pop()
                heapq.heappush(active, (less, origin, landing))
            while active and active[0][1] - active[0][0] <= edge:
                heapq.heappop(active)
            if active and active[0][2] - active[0][1] != before:
                before = active[0][2] - active[0][1]
                self.points[edge] = edge + before
        self.places = sorted(self.points)

    def valid(self, address: int) -> bool:
        """Whether a source range holds the address."""
        return any(one.address <= address < one.end for one in self.sources)

    def moved(self, address: int) -> int:
        """The target address of a source address."""
        address &= _M64
        key, known = self.memory.get(self._slot(address), (0, 0))
        if key == self._key(address):
            return known
        at = bisect_right(self.places, address) - 1
        return address if at < 0 else self.points[self.places[at]] + address - self.places[at] & _M64

    def learn(self, address: int, meant: int) -> None:
        """Note which target address finished bytes mean by a source address, if it is not the one foretold."""
        if self.moved(address) != meant & _M64:
            self.memory[self._slot(address)] = (self._key(address), meant & _M64)

    def _key(self, address: int) -> int:
        return address ^ (self.number << 48 & _M64)

    def _slot(self, address: int) -> int:
        return (address * 0x9E3779B97F4A7C15 & _M64) >> 46

    def landing(self, target: int) -> int:
        """The landing of a cover that goes to this offset of the target."""
        address = _address(self.targets, target)
        return target if address is None else address

    def parts(self, mode: int, original: bytes, copy: bytearray, position: int, target: int) -> Iterator[slice]:
        """The one part of a cover: references in its copy are changed, and learned once it is corrected."""
        self._read(mode, original, copy, False, position, target)
        yield slice(0, len(copy))
        self._read(mode, original, copy, True, position, target)

    def _read(self, mode: int, original: bytes, out: bytearray, learning: bool, position: int, target: int) -> None:
        origin = _address(self.sources, position)
        reading = _Reading(self, original, out, learning, position if origin is None else origin, self.landing(target))
        require(mode < 8 + 3 * len(self.bases), "a prediction with a base that is not there")
        require(mode != 7 or self.info.bases, "a prediction without debugging information")
        source, there = self.bases[(mode - 8) // 3] if mode >= 8 else (0, 0)
        if mode in (1, 2, 5, 6):
            {1: reading.x86, 2: reading.aarch64, 5: reading.unwinding, 6: reading.anywhere}[mode]()
        elif mode == 7:
            reading.debug_info(self.info)
        elif mode < 8 or mode % 3 == 2:
            reading.numbers(mode, source, there)
        else:
            reading.table(reading.symbol if mode % 3 == 0 else reading.relocation, source, there)


@dataclass
class _Reading:
    """One pass over the references of a cover, from the origin in the source to the landing in the target."""

    group: Group
    original: bytes
    out: bytearray
    learning: bool
    origin: int
    landing: int

    def _write(self, at: int, form: Form, value: int) -> None:
        if not self.learning:
            form.put(self.out, at, value)

    def _learn(self, address: int, meant: int) -> None:
        if self.learning:
            self.group.learn(address & _M64, meant)

    def _change(self, at: int, form: Form, source: int, target: int) -> bool:
        """A field that counts from these addresses; whether what it means is valid."""
        address = source + form.get(self.original, at) & _M64
        if not self.group.valid(address):
            return False
        self._write(at, form, self.group.moved(address) - target)
        self._learn(address, target + form.get(self.out, at))
        return True

    def _relative(self, at: int, form: Form = _FIELD, base: int = 0) -> bool:
        """A field that counts from its own address, or one so far behind."""
        return self._change(at, form, self.origin + at + base, self.landing + at + base)

    def numbers(self, mode: int, source: int, target: int) -> None:
        """Modes 3, 4 and 8: fields one after another."""
        form = _WIDE if mode == 3 else _FIELD
        for at in range(-self.origin % form.size, len(self.original) - form.size + 1, form.size):
            if mode == 4:
                self._relative(at)
            else:
                self._change(at, form, source, target)

    def x86(self) -> None:
        """Mode 1."""
        data, at = self.original, 0
        while at + 4 <= len(data):
            if data[at] in (0xE8, 0xE9) or data[at] & 0xC7 == 5:
                at += 1
            elif data[at] == 0x0F and data[at + 1] & 0xF0 == 0x80:
                at += 2
            else:
                at += 1
                continue
            if at + 4 <= len(data) and self._relative(at, base=4):
                at += 4

    def anywhere(self) -> None:
        """Mode 6."""
        at = 0
        while at + 8 <= len(self.original):
            at += 8 if self._change(at, _WIDE, 0, 0) else 1

    def debug_info(self, info: DebugInfo) -> None:
        """Mode 7."""
        section = info.bases[0][0]
        begin = self.origin - section & _M64
        for place, what, of in info.fields(begin, begin + len(self.original)):
            at = place - begin
            if what == SPAN:
                if self.group.valid(of):
                    self._span(at, _UINT, of, _UINT.get(self.original, at))
            elif what == UNIT:
                unit = section + of & _M64
                self._change(at, _FIELD, unit, self.group.moved(unit))
            elif what == ADDRESS:
                self._change(at, _WIDE, 0, 0)
            elif what == END:  # the last byte before it is what moved
                self._change(at, _WIDE, -1, -1)
            elif what in info.bases:
                self._change(at, _FIELD, *info.bases[what])

    def _span(self, at: int, form: Form, address: int, span: int) -> None:
        """A span of bytes from an address on, which stays 0 if it is."""
        moved = self.group.moved(address + span - 1) + 1 - self.group.moved(address) & _M64
        if 0 < moved < 2 * span:
            self._write(at, form, moved)

    def unwinding(self) -> None:
        """Mode 5: entries of .eh_frame."""
        at = -self.origin % 4
        while at + 21 <= len(self.original):
            length, back, span = (_UINT.get(self.original, at + place) for place in (0, 4, 12))
            address = self.origin + at + 8 + _FIELD.get(self.original, at + 8) & _M64
            right = 16 <= length < 65536 and 0 < back < 2**30 and not (length | back) & 3 and 0 < span < 2**30
            if not right or not self.group.valid(address):
                at += 4
                continue
            self._span(at + 12, _UINT, address, span)
            self._write(at + 4, _UINT, self.landing + at + 4 - self.group.moved(self.origin + at + 4 - back))
            self._relative(at + 8)
            if self.original[at + 16] == 4 and any(self.original[at + 17 : at + 21]):
                self._relative(at + 17)
            at += 4 + length

    def table(self, entry: Callable[[int, int, int], bool], source: int, target: int) -> None:
        """Modes 9 and 10: entries of 24 bytes."""
        at = -self.origin % 8
        while at + 24 <= len(self.original):
            at += 24 if entry(at, source, target) else 8

    def symbol(self, at: int, source: int, target: int) -> bool:
        """An entry of a symbol table; whether it is one."""
        value, span = _WIDE.get(self.original, at + 8), _WIDE.get(self.original, at + 16)
        right = self.original[at + 4] & 0x0F <= 0x0A and self.original[at + 5] <= 3 and span < 2**32
        if not right or not (value == 0 or self.group.valid(value)):
            return False
        self._change(at, _FIELD, source, target)
        if value:
            self._span(at + 16, _WIDE, value, span)
            self._change(at + 8, _WIDE, 0, 0)
        return True

    def relocation(self, at: int, source: int, target: int) -> bool:
        """A relocation with addend; whether it is one."""
        kind, symbol = _UINT.get(self.original, at + 8), _UINT.get(self.original, at + 12)
        if not 0 < kind < 2048 or not self.group.valid(_WIDE.get(self.original, at)):
            return False
        self._change(at, _WIDE, 0, 0)
        if symbol:
            address = source + 24 * symbol
            self._write(at + 12, _UINT, (self.group.moved(address) - target & _M64) // 24)
            self._learn(address, target + 24 * _UINT.get(self.out, at + 12))
        self._change(at + 16, _WIDE, 0, 0)
        return True

    def aarch64(self) -> None:
        """Mode 2; the pages that the 32 registers hold, in the source and in the target, are 0 if unknown."""
        pages, targets = [0] * 32, [0] * 32
        for at in range(-self.origin % 4, len(self.original) - 3, 4):
            word = _UINT.get(self.original, at)
            page, landing, register = self.origin + at & _PAGE, self.landing + at & _PAGE, word & 31
            branch = next((form for mask, value, form in _BRANCHES if word & mask == value), None)
            if branch:
                self._relative(at, branch)
            elif word & 0x9F000000 == 0x90000000:  # ADRP
                pages[register] = page + _ADRP.get(self.original, at) & _M64
                address = pages[register] + self._offset_after(at, register) & _M64
                if self.group.valid(address):
                    self._write(at, _ADRP, (self.group.moved(address) & _PAGE) - landing)
                targets[register] = landing + _ADRP.get(self.out, at) & _M64
            else:
                if word & 0x9F000000 == 0x10000000:  # ADR
                    self._relative(at, _ADR)
                else:
                    self._low_bits(at, word, pages[word >> 5 & 31], targets[word >> 5 & 31])
                pages[register] = targets[register] = 0

    def _offset_after(self, at: int, register: int) -> int:
        """The offset of the first of 16 words that uses the register."""
        for place in range(at + 4, min(at + 68, len(self.original) - 3), 4):
            word = _UINT.get(self.original, place)
            form = _low_form(word)
            if form and word >> 5 & 31 == register:
                return form.get(self.original, place)
        return 0

    def _low_bits(self, at: int, word: int, page: int, target: int) -> None:
        form = _low_form(word)
        if form and page:
            address = page + form.get(self.original, at) & _M64
            if self.group.valid(address):
                low = self.group.moved(address) & 0xFFF
                if low % (1 << form.shift) == 0:
                    self._write(at, form, low)
                self._learn(address, target + form.get(self.out, at))


def _low_form(word: int) -> Form | None:
    """How the offset of an ADD, load or store stands in it; None for other words."""
    scale = word >> 30
    if word & 0xFFC00000 == 0x91000000:
        scale = 0
    elif word & 0x3B000000 != 0x39000000:
        return None
    elif word & 0xC4800000 == 0x04800000:
        scale = 4
    return Form(4, ((10, 12),), scale, signed=False)
