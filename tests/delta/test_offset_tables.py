"""Files that begin with tables of offsets: what shifts all of them costs next to nothing."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest

from airpatch.delta.effort import Effort
from airpatch.delta.offset_tables import align
from airpatch.delta.olds import Cover, Old
from airpatch.delta.source_space import Space
from airpatch.delta.tar_members import TarMember
from spec.reader.delta import apply
from tests.delta.support import delta, noise, rebuild, tar

STRINGS = [f"message {number} says {noise(3 + number % 40, number).hex()}".encode() for number in range(600)]


def catalogue(strings: Sequence[bytes]) -> bytes:
    """Strings behind a table of their lengths and offsets, as GNU gettext writes catalogues of messages."""
    start = 12 + 8 * len(strings)
    table, text = bytearray(struct.pack("<3I", 0x950412DE, 0, len(strings))), bytearray()
    for string in strings:
        table += struct.pack("<2I", len(string), start + len(text))
        text += string + b"\0"
    return bytes(table + text)


def cache(strings: Sequence[bytes]) -> bytes:
    """Entries of flags, two offsets and zeros, as ld.so.cache has them, before strings."""
    start = 8 + 24 * len(strings)
    table, text = bytearray(struct.pack("<2I", 0, len(strings))), bytearray()
    for string in strings:
        at = start + len(text)
        table += struct.pack("<3IIQ", 0x303, at + 8, at, 0, 0)
        text += string + b"\0"
    return bytes(table + text)


def changed(strings: Sequence[bytes]) -> list[bytes]:
    """The strings, but for a few, and a few new ones."""
    kept: list[bytes] = []
    for number, string in enumerate(strings):
        if number % 90 == 5:
            kept.append(b"a new one")
        if number % 150 != 70:
            kept.append(string)
    return kept


@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize(("write", "most"), [(catalogue, 400), (cache, 400)])
def test_offsets_follow_the_strings(write: Callable[[Sequence[bytes]], bytes], most: int, effort: Effort) -> None:
    old, new = (tar({"a": write(strings)}) for strings in (STRINGS, changed(STRINGS)))
    data = delta(new, [old], effort)
    assert rebuild(data, [old]) == apply(data, [old], len(new)) == new
    assert len(data) < most


def is_better(old: bytes, new: bytes, covers: list[Cover] | None = None) -> bool:
    """Whether a file, the whole target, is found to have tables that make covers better."""
    covers = [(0, 0, min(len(old), len(new)))] if covers is None else covers
    member, before = TarMember(b"", 0, 0, len(new), len(new)), Old(0, 0, len(old), len(old))
    found = align(memoryview(new), member, before, covers, Space.of([old]).slice, 4)
    if found is not None:
        ends = [at + length for at, _, length in found[1]]
        assert all(end <= at for end, (at, _, _) in zip(ends, found[1][1:], strict=False))
        assert ends[-1] <= len(new)
    return found is not None


def test_what_has_no_tables_of_offsets_stays_as_it_is() -> None:
    old, new = (catalogue(strings) for strings in (STRINGS, [*STRINGS[:300], b"new", *STRINGS[301:]]))
    covers = [(0, 0, 2412), (2412, 2412, 2400), (len(new) - 9000, len(old) - 9000, 9000)]
    assert is_better(old, new, covers)
    assert not is_better(old, old)
    assert not is_better(old, new, [])
    assert not is_better(old, noise(len(old), 7))
    assert not is_better(b"text " * 900, b"Text " * 900)
    assert not is_better(b"\0" * 5000, b"\1" * 5000)
    assert not is_better(catalogue(STRINGS[:9]), catalogue([b"new", *STRINGS[1:9]]))
    big = [
        struct.pack(f">{len(data) // 4}I", *struct.unpack(f"<{len(data) // 4}I", data))
        for data in (old[:4800], new[:4800])
    ]
    assert not is_better(big[0] + old[4800:], big[1] + new[4800:], covers)


def test_a_last_word_may_be_cut_and_offsets_may_lead_anywhere() -> None:
    """Tables that fill a file, offsets beyond its end, to itself, and before it."""
    for size in range(200, 208):
        old = struct.pack("<60I", *range(236, 236 - 60, -1))[:size]
        new = struct.pack("<60I", *range(235, 235 - 60, -1))[:size]
        is_better(old, new)
        first, second = (tar({"a": data * 3}) for data in (old, new))
        assert rebuild(delta(second, [first]), [first]) == second


def test_what_stands_before_a_file_is_no_table_of_it() -> None:
    """An extended header of the new file may have what the old one begins with."""
    content = noise(900, 1)
    old, new = (struct.pack("<99I", *range(size, size + 396, 4)) + bytes(4) + content for size in (500, 100))
    member, before = TarMember(b"", 0, 400, 900, 1300), Old(0, 0, 1300, 1300)
    covers = [(0, 0, 400), (400, 400, 900)]
    assert align(memoryview(new), member, before, covers, Space.of([old]).slice, 4) is None
