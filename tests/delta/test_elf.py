"""ELF headers are hints: those of real programs are read, and no damage is an error."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.elf import parse
from tests.delta.support import Section, sections

PROGRAM = Path(sys.executable).resolve().read_bytes()
HEAD = PROGRAM[:4096]


def test_a_real_program() -> None:
    image = parse(memoryview(PROGRAM))
    assert image is not None
    text = next(section for section in image.sections if section.name == b".text")
    assert text.code
    assert not text.writable
    assert text.in_file
    load = next(load for load in image.loads if load.offset <= text.offset < load.offset + load.size)
    assert text.address - load.address == text.offset - load.offset
    ends = [load.offset + load.size for load in image.loads]
    assert all(end <= load.offset for end, load in zip(ends, image.loads[1:], strict=False))


@given(st.integers(0, 200), st.integers(0, 255))
def test_damaged_headers_give_fewer_hints_or_none(at: int, byte: int) -> None:
    damaged = bytearray(HEAD)
    damaged[at] = byte
    image = parse(memoryview(damaged))
    assert image is None or all(load.offset + load.size <= len(damaged) for load in image.loads)


def _compressed(old_style: bool) -> tuple[bytes, bytes]:
    """A program with compressed sections, and its view, in which the first of them is expanded."""
    contents = [b"first " * 50, bytes(range(256)) * 3]
    packed, expanded = [], []
    for content in contents:
        head = b"ZLIB" + struct.pack(">Q", len(content)) if old_style else struct.pack("<IIQQ", 1, 0, len(content), 1)
        packed.append(head + zlib.compress(content))
        expanded.append(head + zlib.compress(content)[:2] + content)
    prefix = ".zdebug_" if old_style else ".debug_"
    flags = 0 if old_style else 0x800
    text = Section(".text", bytes(64), flags=6)
    parts = [Section(prefix + name, held, flags=flags) for name, held in zip(("info", "line"), packed, strict=True)]
    whole = sections([text, *parts, Section(".strtab", b"names", 3, 0)])
    return whole, whole.replace(packed[0], expanded[0])


@pytest.mark.parametrize("old_style", [False, True])
def test_sections_are_where_they_lie_in_a_view(old_style: bool) -> None:
    for data, is_packed in zip(_compressed(old_style), (True, False), strict=True):
        image = parse(memoryview(data))
        assert image is not None
        found = {section.name: section for section in image.sections}
        info, line, strings = (found[name] for name in (b".debug_info", b".debug_line", b".strtab"))
        assert (info.packed, line.packed, strings.packed) == (is_packed, True, False)
        assert data[strings.offset : strings.offset + strings.size] == b"names"
        assert zlib.decompress(data[line.offset : line.offset + line.size][12 if old_style else 24 :])
        assert is_packed or data[info.offset : info.offset + info.size] == b"first " * 50


@pytest.mark.parametrize("told", [0, 100, 1 << 20])
def test_sections_follow_each_other_whatever_one_says_of_its_size(told: int) -> None:
    content = struct.pack("<IIQQ", 1, 0, told, 1) + b"no stream"
    names = [".debug_info", ".text", ".data", ".strtab"]
    whole = bytearray(sections([Section(name, content, flags=0x800 * (name == ".debug_info")) for name in names]))
    table = struct.unpack_from("<Q", whole, 40)[0]
    for size in (len(content) + 1, 1 << 40):
        struct.pack_into("<Q", whole, table + 64 + 32, size)
        image = parse(memoryview(whole))
        ends = [0]
        for section in image.sections if image is not None else ():
            assert ends[-1] <= section.offset
            ends.append(section.offset + section.size)
        assert ends[-1] <= len(whole)


def test_short_content_that_begins_like_a_stream_is_expanded() -> None:
    """As .debug_aranges of one range does: 0x2C is the head of a block that is longer."""
    held = struct.pack("<IHIBB4xQQ16x", 44, 2, 0, 8, 0, 0x401000, 0x1500)
    packed = struct.pack("<IIQQ", 1, 0, len(held), 1) + zlib.compress(held)
    whole = sections([Section(".debug_aranges", packed, flags=0x800), Section(".strtab", b"names", 3, 0)])
    view = whole.replace(packed, packed[:26] + held)
    for data, is_packed in ((whole, True), (view, False)):
        image = parse(memoryview(data))
        assert image is not None
        assert [section.packed for section in image.sections[:2]] == [is_packed, False]
        assert data[image.sections[1].offset :].startswith(b"names")


def test_other_files_are_none() -> None:
    assert parse(memoryview(b"")) is parse(memoryview(b"\x7fELF\x01\x01" + bytes(100))) is None
