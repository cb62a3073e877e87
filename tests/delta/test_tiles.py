"""Tiles: they cover the target in order, and know what their members hold."""

from __future__ import annotations

import pytest

from airpatch.delta import tiles as module
from airpatch.delta.tar_members import TarMember
from airpatch.delta.tiles import Tile, tiles
from airpatch.delta.windows import FAR_IN_DATA

HEADER = bytes(512)


def test_members_and_what_lies_around_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TILE", 300)
    monkeypatch.setattr(module, "_PIECE", 100)
    member = TarMember(b"a", 50, 60, 400, 470)
    found = [(tile.start, tile.end, tile.member) for tile in tiles(memoryview(bytes(600)), [member])]
    assert found == [(0, 50, None), (50, 350, member), (350, 470, member), (470, 570, None), (570, 600, None)]


def test_a_header_does_not_make_data_of_text() -> None:
    text = memoryview(HEADER + b"let a = 1;\n" * 90)
    member = TarMember(b"a.js", 0, len(HEADER), len(text) - len(HEADER), len(text))
    assert Tile(0, len(text), member).far(text) > FAR_IN_DATA
    assert Tile(0, len(text), None).far(text) == FAR_IN_DATA
    assert Tile(len(HEADER) + 100, len(text), member).far(text) > FAR_IN_DATA
