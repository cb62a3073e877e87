"""Indexes of a JDK's `modules` file: their views list resources, and folding makes the same tables again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views.cut_short import CutShort
from airpatch.views.jimage_index import hashed, index_size, listed
from fixtures.jimage import RESOURCES, view_of
from tests.views.support import source_view, text, undo, views

if TYPE_CHECKING:
    from fixtures.jimage import Resource

OLD = hashed(view_of())
MANY: tuple[Resource, ...] = tuple(
    ("java.base", f"java/p{i % 7}", f"Name{i}", "class", i % 3 * 100, i * 11 % 4099) for i in range(700)
)
MORE: tuple[Resource, ...] = (*MANY[:300], ("java.base", "java/p1", "Other", "class", 0, 77), *MANY[300:])


def test_places_are_those_of_a_perfect_hash() -> None:
    """The table leads from each name to its attributes, as OpenJDK's ImageStringsReader looks it up."""
    index = hashed(view_of(MANY))
    count = len(MANY)
    strings = index[28 + 8 * count :]
    found = set()
    for module, parent, name, extension, _, _ in MANY:
        full = f"/{module}/{parent}/{name}.{extension}".encode()
        told = int.from_bytes(index[28 + 4 * _hash(full, 0x01000193, count) :][:4], "little", signed=True)
        place = _hash(full, told, count) if told > 0 else -1 - told
        at = int.from_bytes(index[28 + 4 * (count + place) :][:4], "little")
        found.add(at)
        assert strings[at] >> 3 == 1  # the number of its module is the first attribute
    assert len(found) == count


def _hash(name: bytes, seed: int, count: int) -> int:
    for byte in name:
        seed = seed * 0x01000193 & 0xFFFFFFFF ^ byte
    return (seed & 0x7FFFFFFF) % count


@pytest.mark.parametrize("resources", [(), RESOURCES[:1], RESOURCES, MANY, MORE])
def test_folding_undoes_the_view(resources: tuple[Resource, ...]) -> None:
    index = hashed(view_of(resources, padding=len(resources) % 2))
    assert hashed(listed(index)) == index
    assert index_size(index + b"more") == len(index)
    with pytest.raises(CutShort):
        index_size(index[:-1])


def test_one_resource_more_changes_little() -> None:
    one, other = (hashed(view_of(each)) for each in (MANY, MORE))
    assert sum(a != b for a, b in zip(one, other, strict=False)) > len(one) // 2
    rows = {listed(one)[-28 * i - 28 :][:28] for i in range(len(MANY))}
    new = {listed(other)[-28 * i - 28 :][:28] for i in range(len(MORE))}
    assert len(new - rows) <= 4


@given(st.data())
def test_other_bytes_are_refused_or_come_back(chance: st.DataObject) -> None:
    changed = bytearray(chance.draw(st.sampled_from([OLD, view_of()])))
    for _ in range(chance.draw(st.integers(1, 3))):
        at = chance.draw(st.integers(0, len(changed) - 1))
        changed[at] = chance.draw(st.sampled_from([0, 1, 255, changed[at] ^ 1]))
    for one, other in ((listed, hashed), (hashed, listed)):
        try:
            made = one(bytes(changed))
        except FormatError:
            continue
        if one is listed:
            assert other(made) == changed


def test_names_without_places_do_not_take_long() -> None:
    with pytest.raises(FormatError, match="places"):
        hashed(view_of((*MANY, MANY[0])))


def test_the_writer_finds_the_index() -> None:
    old, new = (hashed(view_of(each)) + text(9000, 1) for each in (MANY, MORE))
    found = views(new, old)
    assert [coding.framing for coding in found.target.codings] == ["jimage-index"]
    assert listed(new[: index_size(new)]) in undo(new, found)
    assert listed(old[: index_size(old)]) in source_view(found, old)
