"""What two versions of a program tell about addresses: the tables of a group, and where to cut its covers.

All of it is advice to the encoder, drawn from ELF headers: the decoder reads the tables from the delta.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from airpatch.delta import elf
from airpatch.delta.addresses import MAX_BASES, MAX_POINTS, MAX_RANGES, Addresses, Range

Cover = tuple[int, int, int]  # target offset, source position, length

# Bytes under one prediction: short ones choose better and learn sooner, long ones cost fewer instructions.
_CODE_STEP = 1 << 13
_DATA_STEP = 1 << 13


@dataclass(frozen=True, slots=True)
class Program:
    """`addresses` of both versions, and where to cut.

    `cuts` are ascending source positions, each the begin of a part; all of a part is code or nothing is
    (`code`), or that is not known (None).
    """

    addresses: Addresses
    cuts: tuple[int, ...]
    code: tuple[bool | None, ...]

    def is_code(self, position: int) -> bool | None:
        """Return whether the source position is in a section of instructions; None if it is in no section."""
        index = bisect_right(self.cuts, position) - 1
        return self.code[index] if index >= 0 else None

    def cut(self, covers: list[Cover]) -> Iterator[Cover]:
        """Yield the covers, cut where parts meet and to lengths that can be predicted."""
        for at, position, length in covers:
            while length:
                index = bisect_right(self.cuts, position)
                part = min(length, _CODE_STEP if self.is_code(position) else _DATA_STEP)
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
    if after is None or before is None:
        return None
    sources = _ranges(before, old_position)
    targets = _ranges(after, new_offset)
    if not sources or not targets:
        return None
    bases: list[tuple[int, int]] = []
    points: list[tuple[int, int]] = []
    places = {section.name: section.address for section in after.sections}
    for section in before.sections:
        place = places.get(section.name, 0)
        if section.address and place:
            (bases if section.in_file else points).append((section.address, place))
    parts: dict[int, bool | None] = {old_position: None, old_position + len(old): None}
    for section in before.sections:
        if section.in_file and section.size:
            parts[old_position + section.offset] = section.code
            parts.setdefault(old_position + section.offset + section.size, None)
    cuts = sorted(parts.items())
    addresses = Addresses(sources, targets, tuple(points[:MAX_POINTS]), tuple(bases[:MAX_BASES]))
    return Program(addresses, tuple(cut for cut, _ in cuts), tuple(code for _, code in cuts))


def _ranges(image: elf.LoadedImage, start: int) -> tuple[Range, ...]:
    ranges: list[Range] = []
    for load in image.loads[:MAX_RANGES]:
        if ranges and load.address < ranges[-1].end:
            break
        ranges.append(Range(start + load.offset, load.size, load.address, load.memory - load.size))
    return tuple(ranges)
