"""What the encoder wants to know of an ELF file: which bytes have which addresses, and where the tables
begin.

Reads 64-bit little-endian files (System V ABI, chapters 4 and 5). Everything here is a hint: a malformed
file gives None or fewer hints, never an error.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

_PT_LOAD = 1
SHT_RELA = 4
_SHT_NOBITS = 8
X86_64, AARCH64 = 62, 183  # machines
_SHF_WRITE = 1
_SHF_ALLOC = 2
_SHF_EXECINSTR = 4
_SHF_COMPRESSED = 0x800
_MAX_HEADERS = 256
_MAX_ADDRESS = 1 << 61  # the kernel's half of the address space holds no programs
_PROGRAM = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_LOOKED_AT = 1 << 12  # bytes that tell whether a section is packed
_ZLIB_HEADER = 2  # bytes, which stay as they are
_COMPRESSION = struct.Struct("<IIQQ")  # gABI, Section Compression: kind, reserved, size, alignment
_OLD_COMPRESSION = struct.Struct(">4sQ")  # of sections .zdebug_: "ZLIB" and the size


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
    packed: bool
    """Whether its content is compressed."""


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
    found = _sections(data, section, sections, names) if section_size == _SECTION.size and names < sections else []
    return ElfImage(struct.unpack_from("<H", data, 18)[0], tuple(loads), tuple(found))


def _sections(data: memoryview, table: int, count: int, names: int) -> list[Section]:
    """Return the sections, where they lie in `data`, not where the table says that they lay before any was expanded."""
    end = len(data) - count * _SECTION.size
    table = next((at for at in (table, end) if 0 <= at <= end and not any(data[at : at + _SECTION.size])), -1)
    if table < 0:
        return []
    rows = [_SECTION.unpack_from(data, table + i * _SECTION.size) for i in range(count)]
    places, packed = _places(data, rows)
    if names not in places:
        return []
    strings = places[names][0]
    found = []
    for i, (name, kind, flags, address, *_) in enumerate(rows[:_MAX_HEADERS]):
        in_file = kind not in (0, _SHT_NOBITS)
        if kind == 0 or address >= _MAX_ADDRESS or (in_file and i not in places):
            continue
        offset, size = places.get(i, (rows[i][4], rows[i][5]))
        label = bytes(data[strings + name : strings + name + 64]).split(b"\0", 1)[0]
        found.append(
            Section(
                label.replace(b".zdebug_", b".debug_"),
                kind,
                address if flags & _SHF_ALLOC else 0,
                offset,
                size,
                in_file,
                bool(flags & _SHF_EXECINSTR),
                bool(flags & _SHF_WRITE),
                i in packed,
            )
        )
    return found


def _places(data: memoryview, rows: Sequence[tuple[int, ...]]) -> tuple[dict[int, tuple[int, int]], set[int]]:
    """Return offset and size of the content of each section that lies in `data`, behind those before it, and which of
    them are packed.

    In a view (spec/VIEWS.md) a compressed section is expanded behind its header, which says how large it is; what
    follows lies as much farther.
    """
    places: dict[int, tuple[int, int]] = {}
    packed: set[int] = set()
    moved = 0
    end = 0  # of the section before
    for i in sorted(range(len(rows)), key=lambda number: rows[number][4]):
        _, kind, flags, _, offset, size, *_ = rows[i]
        if kind in (0, _SHT_NOBITS):
            continue
        offset += moved
        head = bytes(data[offset : offset + _COMPRESSION.size])
        header, expanded = 0, -1
        if flags & _SHF_COMPRESSED and len(head) == _COMPRESSION.size:
            header, expanded = _COMPRESSION.size, _COMPRESSION.unpack(head)[2]
        elif not flags & _SHF_ALLOC and head.startswith(b"ZLIB") and len(head) >= _OLD_COMPRESSION.size:
            header, expanded = _OLD_COMPRESSION.size, _OLD_COMPRESSION.unpack_from(head)[1]
        if expanded >= 0:
            header += _ZLIB_HEADER
            if _is_zlib(data[offset + header - _ZLIB_HEADER : offset + size]):
                packed.add(i)
            else:
                moved += header + expanded - size
                offset, size = offset + header, expanded
        if end <= offset and offset + size <= len(data):
            places[i] = offset, size
            end = offset + size
    return places, packed


def _is_zlib(data: memoryview) -> bool:
    """Return whether that may be a zlib stream (RFC 1950): of a long one it is enough that it begins like one."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data[:_LOOKED_AT], _LOOKED_AT)
    except zlib.error:
        return False
    return stream.eof or len(content) == _LOOKED_AT or len(data) > _LOOKED_AT
