"""What two versions of a program tell about addresses: the tables of a group, and where to cut its covers.

All of it is advice to the encoder, drawn from ELF headers: the decoder reads the tables from the delta.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from airpatch.delta import elf
from airpatch.delta.addresses import MAX_BASES, MAX_POINTS, MAX_RANGES, Addresses, AddressRange, DebugSections
from airpatch.delta.debug_abbreviations import SECTIONS
from airpatch.delta.debug_info import MAX_ABBREVIATIONS, MAX_INFO
from airpatch.delta.modes import (
    BASED,
    CODE_AARCH64,
    CODE_X86,
    DEBUG,
    FRAMES,
    PLAIN,
    POINTERS,
    RELOCATIONS,
    SYMBOLS,
    UNALIGNED,
)

Cover = tuple[int, int, int]  # target offset, source position, length

_STEP = 1 << 13  # bytes under one prediction: short ones choose better and learn sooner, long ones cost less
_PAGE = 1 << 12

_GO_MAGIC = b"\xf1\xff\xff\xff\0\0"
_GO_HEADER = struct.Struct("<8s8Q")  # two counts and the text's address, then where five tables begin

_CODE = {elf.X86_64: CODE_X86, elf.AARCH64: CODE_AARCH64}
_OFFSETS = {b".eh_frame_hdr": b".eh_frame_hdr", b".typelink": b".rodata"}  # tables of offsets, from which section
_SYMBOLS = {b".symtab": b".strtab", b".dynsym": b".dynstr"}  # and where the names lie
_RELOCATIONS = {b".rela.dyn": b".dynsym", b".rela.plt": b".dynsym"}  # and which symbols are meant
_UNALIGNED = frozenset(
    b".debug_" + name
    for name in (b"addr", b"aranges", b"frame", b"line", b"loc", b"loclists", b"ranges", b"rnglists", b"types")
)


@dataclass(frozen=True, slots=True)
class ProgramSection:
    """A section of both versions: where its bytes lie (target offset, source position), where they stand, and the mode
    of its references."""

    target: int
    target_size: int
    landing: int
    source: int
    source_size: int
    origin: int
    mode: int
    relocations: bool
    relocated: bool
    """Whether it is a table of relocations, and whether such a table may say what is to stand in it."""


@dataclass(frozen=True, slots=True)
class Program:
    """`addresses` of both versions, and where to cut; `debug` is where the new version has its debugging information.

    `parts` are the sections whose references are known. `cuts` are ascending source positions where sections begin or
    end; `modes` are what to try from there on, all if None, nothing if it is PLAIN.
    """

    addresses: Addresses
    debug: DebugSections | None
    parts: tuple[ProgramSection, ...]
    cuts: tuple[int, ...]
    modes: tuple[int | None, ...]

    @property
    def target_spans(self) -> list[tuple[int, int]]:
        """Begin and end in the target of the parts, ascending: they are aligned when references have a meaning."""
        return sorted((part.target, part.target + part.target_size) for part in self.parts)

    @property
    def source_spans(self) -> list[tuple[int, int]]:
        """Begin and end in the sources of the parts, ascending."""
        return sorted((part.source, part.source + part.source_size) for part in self.parts)

    def mode(self, position: int) -> int | None:
        """Return the mode of references at the source position, None if it is not known."""
        index = bisect_right(self.cuts, position) - 1
        return self.modes[index] if index >= 0 else None

    def cut(self, covers: list[Cover]) -> Iterator[Cover]:
        """Yield the covers, cut where parts meet and to lengths that can be predicted."""
        for at, position, length in covers:
            while length:
                index = bisect_right(self.cuts, position)
                part = length if index and self.modes[index - 1] == PLAIN else min(length, _STEP)
                if index < len(self.cuts):
                    part = min(part, self.cuts[index] - position)
                yield at, position, part
                at += part
                position += part
                length -= part


def compare(
    new: memoryview,
    new_offset: int,
    old: memoryview,
    old_position: int,
    expanded: Callable[[elf.Section], tuple[int, int] | None] = lambda _section: None,
) -> Program | None:
    """Compare the ELF files `new` at a target offset and `old` at a source position; None if either is not ELF.

    `expanded` is asked for position and size of what a section of `new` is made from where the old one is packed.
    """
    after = elf.parse(new)
    before = elf.parse(old)
    if after is None or before is None or after.machine != before.machine:
        return None
    before = _unpacked(before, after, len(old), old_position, expanded)
    sources, beyond_source = _ranges(before, old_position, len(old))
    targets, beyond_target = _ranges(after, new_offset, len(new))
    if not sources or not targets:
        return None
    olds = {section.name: section for section in before.sections}
    news = {section.name: section for section in after.sections if not section.packed}
    pairs = [(section, news[name]) for name, section in olds.items() if name in news]
    bases: dict[bytes, tuple[int, int]] = {}
    points: list[tuple[int, int]] = []
    for section, other in pairs:
        pair = (section.address or section.offset + beyond_source, other.address or other.offset + beyond_target)
        if section.in_file and len(bases) < MAX_BASES:
            bases.setdefault(section.name, pair)
        elif section.address and other.address:
            points.append(pair)
    numbers = {name: number for number, name in enumerate(bases)}
    debug = _debug(before, old_position, numbers), _debug(after, new_offset, numbers)
    bases.update(_go_tables(after, before, new, old, bases))
    parts: list[ProgramSection] = []
    modes: dict[int, int | None] = {old_position: None, old_position + len(old): None}
    for section, other in pairs:
        if not section.in_file or not other.in_file or not section.size or section.name not in bases:
            continue
        mode = _mode(section, before.machine, numbers)
        if mode == DEBUG and None in debug:
            mode = None
        modes[old_position + section.offset] = mode
        modes.setdefault(old_position + section.offset + section.size, None)
        if mode is None:
            continue
        parts.append(
            ProgramSection(
                new_offset + other.offset,
                other.size,
                bases[section.name][1],
                old_position + section.offset,
                section.size,
                bases[section.name][0],
                mode,
                section.kind == elf.SHT_RELA,
                section.writable,
            )
        )
    addresses = Addresses(sources, targets, tuple(points[:MAX_POINTS]), tuple(bases.values()), debug[0])
    cuts = sorted(modes.items())
    return Program(addresses, debug[1], tuple(parts), tuple(cut for cut, _ in cuts), tuple(mode for _, mode in cuts))


def _unpacked(
    before: elf.ElfImage,
    after: elf.ElfImage,
    size: int,
    start: int,
    expanded: Callable[[elf.Section], tuple[int, int] | None],
) -> elf.ElfImage:
    """Return an old file of `size` bytes without packed sections, or with those expanded elsewhere, behind it."""
    news = {section.name: section for section in after.sections if not section.packed}
    sections = []
    for section in before.sections:
        if section.packed:
            place = expanded(news[section.name]) if section.name in news else None
            if place is None or place[0] < start + size:
                continue
            section = replace(section, offset=place[0] - start, size=place[1], packed=False)
        sections.append(section)
    return replace(before, sections=tuple(sections))


def _debug(image: elf.ElfImage, start: int, bases: dict[bytes, int]) -> DebugSections | None:
    """Return where a file that begins at `start` has its debugging information; `bases` has the numbers of sections."""
    found = {section.name: section for section in image.sections if section.in_file}
    info, abbreviations = found.get(b".debug_info"), found.get(b".debug_abbrev")
    if info is None or abbreviations is None or b".debug_info" not in bases:
        return None
    if not 0 < info.size <= MAX_INFO or abbreviations.size > MAX_ABBREVIATIONS:
        return None
    counted = tuple(next((bases[name] for name in names if name in bases), None) for names in SECTIONS)
    return DebugSections(start + info.offset, info.size, start + abbreviations.offset, abbreviations.size, counted)


def _go_tables(
    after: elf.ElfImage,
    before: elf.ElfImage,
    new: memoryview,
    old: memoryview,
    bases: dict[bytes, tuple[int, int]],
) -> dict[bytes, tuple[int, int]]:
    """Return where the tables within .gopclntab begin (Go's runtime/symtab.go, pcHeader of Go 1.20 and newer)."""
    name = b".gopclntab"
    found = []
    for image, data in ((before, old), (after, new)):
        offset = next((each.offset for each in image.sections if each.name == name and each.in_file), len(data))
        head = bytes(data[offset : offset + _GO_HEADER.size])
        if len(head) < _GO_HEADER.size or not head.startswith(_GO_MAGIC):
            return {}
        found.append(_GO_HEADER.unpack(head)[-5:])
    return {
        name + b" %d" % number: (bases[name][0] + one, bases[name][1] + other)
        for number, (one, other) in enumerate(zip(*found, strict=True))
        if name in bases and one < len(old) and other < len(new) and len(bases) + number < MAX_BASES
    }


def _mode(section: elf.Section, machine: int, bases: dict[bytes, int]) -> int | None:
    """Return the mode of what a section holds; `bases` has the numbers of sections."""
    if section.code:
        return _CODE.get(machine)
    if section.writable and section.address:
        return POINTERS
    if section.name == b".eh_frame":
        return FRAMES
    if section.name == b".debug_info":
        return DEBUG
    if section.name in _UNALIGNED:
        return UNALIGNED
    for table, mode in ((_OFFSETS, BASED), (_SYMBOLS, SYMBOLS), (_RELOCATIONS, RELOCATIONS)):
        base = bases.get(table[section.name]) if section.name in table else None
        if base is not None:
            return mode + 3 * base
    return POINTERS if section.kind == elf.SHT_RELA else None


def _ranges(image: elf.ElfImage, start: int, size: int) -> tuple[tuple[AddressRange, ...], int]:
    """Return what stands where, and what to add to the offset of what is not loaded.

    Sections after the last loaded byte, or expanded elsewhere, have no addresses; they get some above all others, so
    that references to them have a meaning.
    """
    ranges: list[AddressRange] = []
    for load in image.loads[: MAX_RANGES - 2]:
        if ranges and load.address < ranges[-1].end:
            break
        ranges.append(AddressRange(start + load.offset, load.size, load.address, load.memory - load.size))
    if not ranges:
        return (), 0
    offset = ranges[-1].start + ranges[-1].length - start
    beyond = -(-ranges[-1].end // _PAGE) * _PAGE
    if offset < size:
        ranges.append(AddressRange(start + offset, size - offset, beyond + offset, 0))
    outside = [section for section in image.sections if section.in_file and section.offset >= size]
    if outside and len(ranges) < MAX_RANGES:
        first = min(section.offset for section in outside)
        last = max(section.offset + section.size for section in outside)
        ranges.append(AddressRange(start + first, last - first, beyond + first, 0))
    return tuple(ranges), beyond
