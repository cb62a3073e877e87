"""Sources are found by content, wherever they lie."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.layers.resemblance import MAX_SOURCES, Catalogue, Contents
from tests.delta.support import noise, tar
from tests.layers.support import text


def files(*seeds: int, prefix: str = "usr/lib/", size: int = 40_000) -> dict[str, bytes]:
    return {f"{prefix}{seed}.so": noise(size, seed) for seed in seeds}


def of(contents: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> Contents:
    return Contents.of(memoryview(tar(contents, form)))


def choose(target: Mapping[str, bytes], **sources: Mapping[str, bytes]) -> list[str]:
    catalogue: Catalogue[str] = Catalogue()
    for name, source in sources.items():
        catalogue.add(name, of(source))
    return catalogue.choose(of(target))


OLD = files(1, 2, 3, 4)
OTHER = files(11, 12, 13, prefix="opt/")


def test_the_same_layer() -> None:
    assert choose(OLD, other=OTHER, same=OLD) == ["same"]


def test_a_layer_whose_files_have_moved() -> None:
    assert choose(files(1, 2, 3, 4, prefix="app/"), other=OTHER, old=OLD) == ["old"]


def test_a_layer_whose_files_have_changed_in_place() -> None:
    assert choose({path: content + b"!" for path, content in OLD.items()}, other=OTHER, old=OLD) == ["old"]


def test_a_layer_whose_files_have_moved_and_changed() -> None:
    """By their names; versions in them do not count."""
    old = {f"usr/lib/libx.so.1.{n}": noise(9000, n) for n in range(3)}
    new = {f"app/lib/libx.so.2.{n}": noise(9000, n + 50) for n in range(3)}
    assert choose(new, other=OTHER, old=old) == ["old"]


def test_a_merged_layer() -> None:
    assert sorted(choose(OLD | OTHER, first=OLD, second=OTHER, third=files(21, prefix="x/"))) == ["first", "second"]


def test_a_split_layer() -> None:
    assert choose(files(1, 2), old=OLD, other=OTHER) == ["old"]
    assert choose(files(3, 4), old=OLD, other=OTHER) == ["old"]


def test_of_equals_the_smaller_then_the_earlier() -> None:
    assert choose(files(1), large=OLD, small=files(1), again=files(1)) == ["small"]


def test_equal_bytes_count_more_than_equal_paths() -> None:
    paths = {path: noise(40_000, 99) for path in OLD}
    assert choose(OLD, paths=paths, bytes=files(1, 2, 3, 4, prefix="elsewhere/"))[0] == "bytes"


def test_what_explains_little_is_not_taken() -> None:
    target = OLD | {"etc/small": b"small"}
    assert choose(target, old=OLD, small={"etc/small": b"small"}) == ["old"]


def test_nothing_resembles_it() -> None:
    assert choose(OLD, other=OTHER) == []
    assert choose({}, other=OTHER) == []


def test_not_too_many_sources() -> None:
    sources = {f"s{seed}": files(seed) for seed in range(1, 30)}
    assert len(choose(files(*range(1, 30)), **sources)) == MAX_SOURCES


def test_the_names_of_all_forms_of_tar() -> None:
    path = "/".join(["folder"] * 30) + "/name"
    found = [of({path: b"content"}, form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    assert found[0].files == found[1].files


def test_what_is_no_tar_is_one_file() -> None:
    data = text(100_000, 1)
    contents = Contents.of(memoryview(data))
    assert [file[1] for file in contents.files] == [100_000]
    catalogue: Catalogue[str] = Catalogue()
    catalogue.add("same", contents)
    assert catalogue.choose(Contents.of(memoryview(data))) == ["same"]
    assert Contents.of(memoryview(b"")).files == ()


def test_memory_is_given_back_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airpatch.layers.resemblance._STRETCH", 1000)
    calls = []
    contents = Contents.of(memoryview(tar(OLD)), lambda: calls.append(None))
    assert len(calls) > 100
    assert contents == of(OLD)


@given(st.binary(max_size=2000), st.data())
def test_hostile_tars_are_read_to_some_end(junk: bytes, data: st.DataObject) -> None:
    archive = bytearray(tar({"a/" * 60: b"content", "b": b"more"}, data.draw(st.sampled_from([0, 1, 2]))))
    at = data.draw(st.integers(0, len(archive)))
    archive[at : at + len(junk)] = junk
    Contents.of(memoryview(archive))


@pytest.mark.parametrize("size", [b"-0010000", b"-7777777", b"0x10", b"1_0", b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_adversary_24_sizes_that_lead_backwards_or_nowhere(size: bytes) -> None:
    archive = bytearray(tar({"a": b"content", "b": b"more"}))
    archive[1024 + 124 : 1024 + 136] = size.ljust(12, b"\0")
    assert Contents.of(memoryview(archive)).size == len(archive)


@pytest.mark.parametrize("record", [b"9" * 5000 + b" size=1\n", b"5016 size=" + b"9" * 5005 + b"\n"])
def test_adversary_24_numbers_of_thousands_of_digits(record: bytes) -> None:
    header = bytearray(tar({"x": record})[:512])
    header[156:157] = b"x"
    padded = record + bytes(-len(record) % 512)
    assert len(Contents.of(memoryview(bytes(header) + padded + tar({"a": b"content"}))).files) == 1
