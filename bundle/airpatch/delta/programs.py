"""What two versions of a program tell about addresses: the tables of a group, and where to cut its covers.

All of it is advice to the encoder, drawn from ELF headers: the decoder reads the tables from the delta.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from airpatch.delta import elf
from airpatch.delta.addresses import MAX_BASES, MAX_POINTS, MAX_RANGES, Addresses, Range
from airpatch.delta.predict import BASED, CODE_AARCH64, CODE_X86, POINTERS, RELATIVE

Cover = tuple[int, int, int]  # target offset, source position, length

_STEP = 1 << 13  # bytes under one prediction: short ones choose better and learn sooner, long ones cost less

_CODE = {elf.X86_64: CODE_X86, elf.AARCH64: CODE_AARCH64}
_TABLES = {b".eh_frame": RELATIVE, b".symtab": POINTERS, b".dynsym": POINTERS}
_OWN_BASE = (b".eh_frame_hdr",)  # 32-bit offsets from the section's begin


@dataclass(frozen=True, slots=True)
class Part:
    """A section of both versions: where its bytes lie (target offset, source position), where they stand, and the mode
    of its references if that is known."""

    target: int
    target_size: int
    landing: int
    source: int
    source_size: int
    origin: int
    mode: int | None
    relocated: bool
    """Whether relocations may say what is to stand in it."""


@dataclass(frozen=True, slots=True)
class Program:
    """`addresses` of both versions, and where to cut.

    `cuts` are ascending source positions, each the begin of a part; `modes` are what to try in it, all if None.
    """

    addresses: Addresses
    cuts: tuple[int, ...]
    modes: tuple[int | None, ...]
    parts: tuple[Part, ...]
    relocations: tuple[Part, ...]

    def mode(self, position: int) -> int | None:
        """Return the mode of references at the source position, None if it is not known."""
        index = bisect_right(self.cuts, position) - 1
        return self.modes[index] if index >= 0 else None

    def cut(self, covers: list[Cover]) -> Iterator[Cover]:
        """Yield the covers, cut where parts meet and to lengths that can be predicted."""
        for at, position, length in covers:
            while length:
                index = bisect_right(self.cuts, position)
                part = min(length, _STEP)
                if index < len(self.cuts):
                    part = min(part, self.cuts[index] - position)
                yield at, position, part
                at += part
                position += part
                length -= part


def compare(new: memoryview, new_offset: int, old: memoryview, old_position: int) -> Program | None:
    """Compare the ELF files `new` at a target offset and `old` at a source position; None if one is none."""
    after = elf.parse(new)
    before = elf.parse(old)
    if after is None or before is None or after.machine != before.machine:
        return None
    sources = _ranges(before, old_position)
    targets = _ranges(after, new_offset)
    if not sources or not targets:
        return None
    bases: list[tuple[int, int]] = []
    points: list[tuple[int, int]] = []
    parts: list[Part] = []
    modes: dict[int, int | None] = {old_position: None, old_position + len(old): None}
    news = {section.name: section for section in after.sections}
    for section in before.sections:
        other = news.get(section.name)
        mode = _mode(section, before.machine)
        if other is not None and section.address and other.address:
            if section.in_file:
                if section.name in _OWN_BASE and len(bases) < MAX_BASES:
                    mode = BASED + len(bases)
                bases.append((section.address, other.address))
            else:
                points.append((section.address, other.address))
        if not section.in_file or not section.size:
            continue
        modes[old_position + section.offset] = mode
        modes.setdefault(old_position + section.offset + section.size, None)
        if other is not None and other.in_file:
            parts.append(
                Part(
                    new_offset + other.offset,
                    other.size,
                    other.address,
                    old_position + section.offset,
                    section.size,
                    section.address,
                    mode,
                    section.writable,
                )
            )
    cuts = sorted(modes.items())
    addresses = Addresses(sources, targets, tuple(points[:MAX_POINTS]), tuple(bases[:MAX_BASES]))
    relocations = tuple(part for part, s in zip(parts, [x for x in before.sections if x.in_file and x.size and x.name in news and news[x.name].in_file]) if s.kind == elf.SHT_RELA)
    return Program(addresses, tuple(cut for cut, _ in cuts), tuple(mode for _, mode in cuts), tuple(parts), relocations)


def _mode(section: elf.Section, machine: int) -> int | None:
    if section.code:
        return _CODE.get(machine)
    if section.kind == elf.SHT_RELA or (section.writable and section.address):
        return POINTERS
    return _TABLES.get(section.name)


def _ranges(image: elf.Image, start: int) -> tuple[Range, ...]:
    ranges: list[Range] = []
    for load in image.loads[:MAX_RANGES]:
        if ranges and load.address < ranges[-1].end:
            break
        ranges.append(Range(start + load.offset, load.size, load.address, load.memory - load.size))
    return tuple(ranges)
