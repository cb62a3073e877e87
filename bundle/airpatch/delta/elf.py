"""What the encoder wants to know of an ELF file: which bytes have which addresses, and where the tables
begin.

Reads 64-bit little-endian files (System V ABI, chapters 4 and 5). Everything here is a hint: a malformed
file gives None or fewer hints, never an error.
"""

from __future__ import annotations

import struct

from airpatch.dataclasses import dataclass

_PT_LOAD = 1
SHT_RELA = 4
_SHT_NOBITS = 8
X86_64, AARCH64 = 62, 183  # machines
_SHF_WRITE = 1
_SHF_ALLOC = 2
_SHF_EXECINSTR = 4
_MAX_HEADERS = 256
_MAX_ADDRESS = 1 << 61  # the kernel's half of the address space holds no programs
_PROGRAM = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")


@dataclass(frozen=True, slots=True)
class Load:
    """File bytes offset .. offset + size stand at `address`; zeros follow up to `address + memory`."""

    offset: int
    size: int
    address: int
    memory: int


@dataclass(frozen=True, slots=True)
class Section:
    """A section; `address` is 0 unless it is loaded, `size` counts bytes in the file."""

    name: bytes
    kind: int
    address: int
    offset: int
    size: int
    in_file: bool
    code: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class ElfImage:
    """The machine, the loadable parts, ascending and disjoint in the file, and the sections."""

    machine: int
    loads: tuple[Load, ...]
    sections: tuple[Section, ...]


def parse(data: memoryview) -> ElfImage | None:
    """Return what `data` says of itself, or None if it is not such a file."""
    if len(data) < 64 or bytes(data[:6]) != b"\x7fELF\x02\x01":
        return None
    program, section = struct.unpack_from("<QQ", data, 32)
    program_size, programs, section_size, sections, names = struct.unpack_from("<5H", data, 54)
    if program_size != _PROGRAM.size or program + programs * program_size > len(data):
        return None
    loads: list[Load] = []
    for i in range(min(programs, _MAX_HEADERS)):
        kind, _, offset, address, _, size, memory, _ = _PROGRAM.unpack_from(data, program + i * program_size)
        end = loads[-1].offset + loads[-1].size if loads else 0
        memory = max(size, memory)
        if kind == _PT_LOAD and end <= offset <= len(data) - size and address + memory < _MAX_ADDRESS:
            loads.append(Load(offset, size, address, memory))
    if not loads:
        return None
    found: list[Section] = []
    if section_size == _SECTION.size and section + sections * section_size <= len(data) and names < sections:
        found = _sections(data, section, min(sections, _MAX_HEADERS), names)
    return ElfImage(struct.unpack_from("<H", data, 18)[0], tuple(loads), tuple(found))


def _sections(data: memoryview, table: int, count: int, names: int) -> list[Section]:
    found = []
    strings = _SECTION.unpack_from(data, table + names * _SECTION.size)[4]
    for i in range(count):
        name, kind, flags, address, offset, size, *_ = _SECTION.unpack_from(data, table + i * _SECTION.size)
        in_file = kind not in (0, _SHT_NOBITS)
        if kind == 0 or address >= _MAX_ADDRESS or (in_file and offset + size > len(data)):
            continue
        label = bytes(data[strings + name : strings + name + 64]).split(b"\0", 1)[0]
        found.append(
            Section(
                label,
                kind,
                address if flags & _SHF_ALLOC else 0,
                offset,
                size,
                in_file,
                bool(flags & _SHF_EXECINSTR),
                bool(flags & _SHF_WRITE),
            )
        )
    return found
