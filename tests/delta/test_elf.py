"""ELF headers are hints: those of real programs are read, and no damage is an error."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.elf import parse

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


def test_other_files_are_none() -> None:
    assert parse(memoryview(b"")) is parse(memoryview(b"\x7fELF\x01\x01" + bytes(100))) is None
