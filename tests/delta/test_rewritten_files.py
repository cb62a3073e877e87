"""Files that were written again, by another tool or in another order, cost next to nothing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import pytest

from airpatch.delta.olds import Cover, Old, Olds
from airpatch.delta.rewritten_files import extended, rewritten
from airpatch.delta.source_space import Space
from airpatch.delta.tar_members import TarMember, members
from airpatch.delta.tiles import Tile
from spec.reader.delta import apply
from tests.delta.support import delta, noise, rebuild

Records = Callable[[int], Mapping[str, str]]

COUNT = 200
WORDS = [noise(5, number).hex() for number in range(50)]


def plain(_: int) -> Mapping[str, str]:
    return {}


def attribute(_: int, value: str = "built by the other one") -> Mapping[str, str]:
    return {"SCHILY.xattr.user.origin": value}


def times(number: int) -> Mapping[str, str]:
    return dict.fromkeys(("atime", "ctime"), f"1700000000.{number:09}")


def layer(
    form: int,
    records: Records = plain,
    order: Iterable[int] = range(COUNT),
    folder: str = "",
    edited: int = COUNT,
    owner: str = "",
) -> bytes:
    """Folders, and files of words, some of whose names do not fit in a header; each `edited`th is changed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for number in order:
            words = noise(300, number)
            content = b" ".join(WORDS[byte % len(WORDS)].encode() for byte in words[: number % 9 * 30])
            if number % edited == 1:
                content = content[:99] + b"new" + content[99:]
            info = tarfile.TarInfo(
                f"{folder}usr/lib/{WORDS[number // 8 % 50]}/{words[:6].hex()}" + number % 9 // 8 * 40 * "-x"
            )
            info.type = tarfile.REGTYPE if content else tarfile.DIRTYPE
            info.size = len(content)
            info.mtime = 1_600_000_000 + number
            info.uname = info.gname = owner
            info.uid = info.gid = 8**6 - 1 if owner else 0
            info.mode = 0o775 if owner else 0o644
            info.pax_headers = records(number)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


GNU, PAX = layer(tarfile.GNU_FORMAT), layer(tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("old", "new", "most"),
    [
        pytest.param(PAX, layer(tarfile.PAX_FORMAT, attribute), 450, id="an attribute more"),
        pytest.param(layer(tarfile.PAX_FORMAT, attribute), PAX, 250, id="an attribute less"),
        pytest.param(GNU, layer(tarfile.PAX_FORMAT, times), 1450, id="more precise times"),
        pytest.param(layer(tarfile.PAX_FORMAT, times), GNU, 600, id="less precise times"),
        pytest.param(
            layer(tarfile.PAX_FORMAT, times),
            layer(tarfile.PAX_FORMAT, lambda number: {**times(number), **attribute(number)}),
            430,
            id="an attribute beside times",
        ),
        pytest.param(PAX, layer(tarfile.PAX_FORMAT, attribute, edited=4), 1250, id="an attribute more, some edited"),
        pytest.param(
            GNU,
            layer(tarfile.GNU_FORMAT, order=sorted(range(COUNT), key=lambda number: noise(8, number))),
            900,
            id="another order",
        ),
        pytest.param(GNU, layer(tarfile.GNU_FORMAT, owner="continuous integration"), 490, id="another owner"),
        pytest.param(
            layer(tarfile.GNU_FORMAT, folder="opt/app-1.2.3/"),
            layer(tarfile.GNU_FORMAT, folder="opt/app-1.2.4/"),
            140,
            id="another folder",
        ),
    ],
)
def test_what_another_tool_writes_costs_little(old: bytes, new: bytes, most: int) -> None:
    data = delta(new, [old])
    assert rebuild(data, [old]) == apply(data, [old], len(new)) == new
    assert len(data) < most


def pair(old: bytes, new: bytes) -> tuple[Space, Tile, Old]:
    """The last file of a layer, and its older version."""
    *_, after = members(memoryview(new))
    before = Olds(((0, member) for member in members(memoryview(old))), COUNT).of_path(after.path, 0)
    assert before is not None
    return Space.of([old]), Tile(after.start, after.end, after), before


def covers_of(
    new: bytes, tile: Tile, old: Old, space: Space, path: bytes | None = None, following: int = 0
) -> list[Cover]:
    """Covers of a tile if `old` is the only older file, of its path or another one."""
    known = path if path is not None or tile.member is None else tile.member.path
    olds = Olds([(0, TarMember(known or b"", old.start, old.content, old.size, old.end))], 1)
    return rewritten(memoryview(new), tile, olds, following, space, 4)


def test_only_headers_that_were_extended_already_are_copied_with_what_extends_them() -> None:
    new = layer(tarfile.PAX_FORMAT, attribute, range(9, 12))
    space, tile, old = pair(layer(tarfile.PAX_FORMAT, plain, range(9, 12)), new)
    file = (tile.start + 1024, old.start, old.end - old.start)
    assert extended(tile, old) == 1024
    assert covers_of(new, tile, old, space) == [file]
    space, tile, old = pair(new, new)
    file = (tile.start + 1024, old.start + 1024, old.end - old.start - 1024)
    assert extended(tile, old) == 0
    assert covers_of(new, tile, old, space) == [(tile.start, old.start, 1024), file]


@pytest.mark.parametrize(
    ("at", "size", "is_same"),
    [(700, 1, False), (0, 0, True), (0, 24, True), (0, 25, False), (376, 128, True), (375, 129, False)],
)
def test_the_same_content_and_a_header_that_is_nearly_the_same_make_a_file_the_same(
    at: int, size: int, is_same: bool
) -> None:
    space, tile, old = pair(GNU, GNU)
    new = bytearray(GNU)
    new[tile.start + at : tile.start + at + size] = b"!" * size
    assert bool(covers_of(bytes(new), tile, old, space)) == is_same


def test_another_size_a_part_of_a_file_and_what_is_no_file_are_not_the_same() -> None:
    space, tile, old = pair(GNU, GNU)
    assert covers_of(GNU, tile, old, space)
    assert not covers_of(GNU, tile, replace(old, end=old.end - 512), space)
    assert not covers_of(GNU, replace(tile, start=tile.start + 1), old, space)
    assert not covers_of(GNU, replace(tile, member=None), old, space)
    assert not extended(replace(tile, member=None), old)


def test_a_file_of_another_path_is_the_same_only_where_the_file_before_goes_on() -> None:
    space, tile, old = pair(GNU, GNU)
    assert covers_of(GNU, tile, old, space, b"other", old.start) == [(tile.start, old.start, old.end - old.start)]
    assert not covers_of(GNU, tile, old, space, b"other", old.start + 512)
    assert not covers_of(GNU, tile, old, space, b"other")


def test_headers_of_members_of_other_archives_may_be_short_or_none() -> None:
    data = noise(900, 1)
    for size in (0, 60):
        tile = Tile(100, 800, TarMember(b"x", 100, 100 + size, 700 - size, 800))
        old, other = Old(100, 100 + size, 700 - size, 800), Old(99, 100 + size, 700 - size, 800)
        assert covers_of(data, tile, old, Space.of([data])) == [(100, 100, 700)]
        assert covers_of(data, tile, other, Space.of([data])) == []
        assert extended(tile, old) == 0


def test_long_extended_headers_are_looked_at_like_content() -> None:
    for size, is_short in ((3000, True), (4000, False)):
        new = layer(tarfile.PAX_FORMAT, partial(attribute, value="x" * size), range(9, 12))
        space, tile, old = pair(layer(tarfile.PAX_FORMAT, plain, range(9, 12)), new)
        assert bool(extended(tile, old)) == bool(covers_of(new, tile, old, space)) == is_short
