"""Programs: references are predicted in every table that refers to code, and whatever an ELF file says is survived."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.delta import elf, programs
from airpatch.delta.addresses import Addresses
from airpatch.delta.modes import PLAIN, POINTERS
from airpatch.delta.programs import Program
from fixtures.debugging import abbreviations, entry, unit, word
from fixtures.debugging import address as address_of
from tests.delta.support import Section, delta, noise, rebuild, sections, tar

_ALIGNED = 16
_EXEC = 2 | 4
_WRITE = 2 | 1


def _round_trip(new: bytes, old: bytes) -> int:
    """Return the size of the delta, which is applied."""
    source, target = tar({"lib/x.so": old}), tar({"lib/x.so": new})
    data = delta(target, [source])
    assert rebuild(data, [source]) == target
    return len(data)


def _starts(grown: bool) -> tuple[bytes, list[int]]:
    """200 functions of words that are no references, of which every tenth one may have grown; and where they begin."""
    code, starts = bytearray(), []
    for number in range(200):
        starts.append(len(code))
        body = noise(96, number) + (noise(_ALIGNED, number + 999) if grown and number % 10 == 3 else b"")
        code += bytes(byte & 0x3F | 0x40 if i % 4 == 3 else byte & 0x3F for i, byte in enumerate(body))
    return bytes(code), starts


def _table(name: str, grown: bool) -> bytes:
    """A program of code, and one table that refers to it, in an order of its own."""
    code, starts = _starts(grown)
    base, text = 0x400000, 0x400000 + 128
    order = [number * 7 % 200 for number in range(200)]
    rows = bytearray()
    address = text + -(-len(code) // 16) * 16  # of the table
    kind, flags = 1, 2
    for place, number in enumerate(order):
        to = text + starts[number]
        span = (*starts, len(code))[number + 1] - starts[number]
        if name == ".data.rel.ro":
            flags = _WRITE
            rows += struct.pack("<Q", to)
        elif name == ".rela.dyn":
            kind = 4
            rows += struct.pack("<QQQ", address + 24 * 200 + 8 * place, 8, to)  # in the .data behind it
        elif name == ".eh_frame":
            here = address + len(rows)
            rows += struct.pack("<IIiI", 28, here + 4 - address, to - here - 8, span) + b"\0\x0e\x10" + bytes(13)
        elif name == ".eh_frame_hdr":
            rows += struct.pack("<i", to - address)
        elif name == ".symtab":
            rows += struct.pack("<IBBHQQ", 1 + 9 * place, 2, 0, 5, to, span)
        elif name == ".debug_info":
            flags = 0
            rows += entry(1, b"f%d\0" % number, address_of(to), address_of(to + span), word(11 + place * 40 % 3000))
        elif name == ".debug_ranges":
            flags = 0
            rows += struct.pack("<HQQ", number, to, to + span)
    if name == ".debug_info":
        rows = bytearray(unit(bytes(rows)))
    parts = [Section(".text", code, flags=_EXEC), Section(name, bytes(rows), kind, flags)]
    if name == ".debug_info":
        parts.append(Section(".debug_abbrev", abbreviations([(3, 8), (0x11, 1), (0x12, 1), (0x49, 0x10)]), flags=0))
    if name == ".rela.dyn":
        parts.append(Section(".data", bytes(8 * 200), flags=_WRITE))
    if name == ".symtab":
        parts.append(Section(".strtab", b"\0" + b"".join(b"name%04d\0" % number for number in order)))
    return sections(parts, base=base)


_TABLES = (".data.rel.ro", ".rela.dyn", ".eh_frame", ".eh_frame_hdr", ".symtab", ".debug_info", ".debug_ranges")


@pytest.mark.parametrize("name", _TABLES)
def test_tables_cost_little_where_code_moved(name: str) -> None:
    without = _round_trip(_table(".none", grown=True), _table(".none", grown=False))
    assert _round_trip(_table(name, grown=True), _table(name, grown=False)) < without + 120


def _surrounded(odd: int, grown: bool) -> bytes:
    """A program of code, `odd` bytes longer than its functions, and constants, each half new and in another order."""
    code, _ = _starts(grown)
    order = (number * 7 % 400 if grown else number for number in range(400))
    constants = b"".join(noise(9, number) + noise(7, 1000 + number + 400 * grown) for number in order)
    return sections([Section(".text", code + bytes(odd), flags=_EXEC), Section(".rodata", constants)])


def test_what_surrounds_code_is_aligned_wherever_that_ends() -> None:
    sizes = [_round_trip(_surrounded(odd, grown=True), _surrounded(odd, grown=False)) for odd in range(4)]
    assert max(sizes) < 1.02 * min(sizes)


def _arm(grown: bool) -> bytes:
    """Functions that call one another (BL), and take the address of another (ADRP, ADD)."""
    bodies, starts, at = [], [], 0
    for number in range(200):
        plain = noise(20 + 4 * (grown and number % 10 == 3), number)
        words = bytes(byte & 0x3F | 0x40 if i % 4 == 3 else byte for i, byte in enumerate(plain))
        bodies.append(words)
        starts.append(at)
        at += len(words) + 16
    text = 0x400000 + 128
    code = bytearray()
    for number, body in enumerate(bodies):
        code += body
        for callee in (number * 7 % 200, number * 31 % 200):
            code += struct.pack("<I", 0x94000000 | (starts[callee] - len(code)) // 4 & 0x3FFFFFF)
        here, there = text + len(code), text + starts[number * 11 % 200]
        pages = (there >> 12) - (here >> 12)
        code += struct.pack("<I", 0x90000001 | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5)
        code += struct.pack("<I", 0x91000021 | (there & 0xFFF) << 10)
    return sections([Section(".text", bytes(code), flags=_EXEC)], machine=183)


def test_code_of_aarch64_is_predicted() -> None:
    new, old = _arm(grown=True), _arm(grown=False)
    assert _round_trip(new, old) < 600
    other = bytearray(old)
    other[18] = 62  # taken for x86-64, nothing is found in it
    assert _round_trip(new, bytes(other)) > 900


_NAMES = (
    ".text",
    ".eh_frame",
    ".eh_frame_hdr",
    ".rela.dyn",
    ".symtab",
    ".strtab",
    ".data",
    ".dynsym",
    ".typelink",
    ".debug_info",
    ".debug_abbrev",
)
_NUMBERS = st.sampled_from((0, 1, 2, 3, 4, 7, 8, 24, 1 << 31, 1 << 61, (1 << 62) - 1, 1 << 63, (1 << 64) - 1))
_SECTION = st.builds(
    Section,
    st.sampled_from(_NAMES),
    st.binary(max_size=120) | st.lists(_NUMBERS, max_size=24).map(lambda each: struct.pack(f"<{len(each)}Q", *each)),
    st.sampled_from((1, 2, 4, 8)),
    st.integers(0, 7),
    st.none() | _NUMBERS,
)


@given(
    st.lists(_SECTION, max_size=6),
    st.lists(_SECTION, max_size=6),
    st.sampled_from((62, 183, 40)),
    st.lists(st.tuples(st.integers(0, 1 << 9), st.integers(0, 255)), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_whatever_an_elf_file_says(
    old: list[Section], new: list[Section], machine: int, edits: list[tuple[int, int]]
) -> None:
    before = sections(old, machine)
    after = bytearray(sections([*old[:2], *new], machine))
    for at, value in edits:
        if at < len(after):
            after[at] = value
    _round_trip(bytes(after), before)


def test_programs_of_different_machines_are_not_compared() -> None:
    one, other = (memoryview(sections([Section(".text", bytes(64), flags=_EXEC)], machine)) for machine in (62, 183))
    assert programs.compare(one, 0, one, 0) is not None
    assert programs.compare(one, 0, other, 0) is None


def test_addresses_beyond_what_a_delta_may_name_are_left_out() -> None:
    image = elf.parse(memoryview(sections([Section(".text", bytes(64), address=1 << 63), Section(".data", b"x")])))
    assert image is not None
    assert [section.name for section in image.sections] == [b".data", b""]


def _go_tables(names: int, version: int = 0xFFFFFFF1) -> bytes:
    """A program with Go's table of functions, whose table of names takes so many bytes."""
    head = struct.pack("<IHBB8Q", version, 0, 1, 8, 3, 1, 0x400000, 72, 72 + names, 80 + names, 88 + names, 96 + names)
    return sections([Section(".gopclntab", head + bytes(names + 64))])


def test_tables_within_that_of_go_are_bases() -> None:
    old, new = memoryview(_go_tables(16)), memoryview(_go_tables(48))
    program = programs.compare(new, 0, old, 0)
    assert program is not None
    (first, second), *_ = program.addresses.bases
    assert [(one - first, other - second) for one, other in program.addresses.bases[-5:]] == [
        (72, 72), (88, 120), (96, 128), (104, 136), (112, 144)
    ]  # fmt: skip
    changed = programs.compare(memoryview(_go_tables(48, 0xFFFFFFFB)), 0, old, 0)
    assert changed is not None
    assert len(changed.addresses.bases) == len(program.addresses.bases) - 5


def test_where_nothing_is_to_be_tried_covers_stay_whole() -> None:
    program = Program(Addresses((), ()), None, (), (0, 1000, 31_000), (PLAIN, POINTERS, PLAIN))
    assert list(program.cut([(5, 100, 50_000)])) == [
        (5, 100, 900),
        (905, 1000, 8192),
        (9097, 9192, 8192),
        (17_289, 17_384, 8192),
        (25_481, 25_576, 5424),
        (30_905, 31_000, 19_100),
    ]
