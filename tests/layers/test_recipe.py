"""The header of layer patches: one encoding, all others refused."""

from __future__ import annotations

import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.blobs.content import BytesBlob
from airpatch.errors import FormatError
from airpatch.layers.recipe import (
    MAX_HEADER,
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    GzipMembers,
    Method,
    Plain,
    Raw,
    Recipe,
    Replay,
    Replica,
    ViewSizes,
    Whole,
    emit_header,
    method_name,
    read_header,
    section_count,
)

SIZES = st.integers(0, 1000)
METHODS: st.SearchStrategy[Method] = st.one_of(
    st.just(Plain()),
    st.just(Raw()),
    st.just(Whole()),
    st.builds(Replica, st.text(max_size=20), st.binary(max_size=300), st.sampled_from([(), (0,), (7,)])),
    st.builds(Replay, st.lists(st.integers(0, 70), unique=True).map(tuple)),
    st.builds(Frames, st.text(max_size=20), st.lists(st.integers(0, 70), unique=True).map(tuple)),
    st.builds(GzipMembers, st.text(max_size=20), st.lists(st.integers(0, 70), unique=True).map(tuple)),
    st.builds(FrameReplay, st.lists(st.integers(0, 70), max_size=1).map(tuple)),
    st.builds(CorrectedFrames, st.text(max_size=20)),
    st.builds(Corrected, st.builds(Replica, st.text(max_size=20), st.binary(max_size=300))),
)


Parts = tuple[Method, tuple[int, ...], ViewSizes | None]


@st.composite
def recipes(draw: st.DrawFn) -> Parts:
    method = draw(METHODS)
    can_have_views = not isinstance(method, Raw | Whole)
    views = draw(st.none() | st.builds(ViewSizes, SIZES, SIZES)) if can_have_views else None
    count = section_count(method, views is not None)
    return method, tuple(draw(st.lists(SIZES, min_size=count, max_size=count))), views


def patch(method: Method, sections: tuple[int, ...], views: ViewSizes | None = None) -> bytes:
    return emit_header(method, sections, views) + bytes(sum(sections))


def read(data: bytes) -> Recipe:
    return read_header(BytesBlob(data), len(data))


def packed(document: object, content: int = 0) -> bytes:
    header = document if isinstance(document, bytes) else msgpack.packb(document)
    return struct.pack("<I", len(header)) + header + bytes(content)


def document(**changes: Any) -> dict[str, Any]:
    return {"airpatch": 1, "method": ["plain"], "sections": [7]} | changes


@given(recipes())
def test_reading_is_the_inverse_of_emitting(recipe: Parts) -> None:
    sections = recipe[1]
    found = read(patch(*recipe))
    assert (found.method, found.sections, found.views) == recipe
    assert emit_header(found.method, found.sections, found.views) == patch(*recipe)[: found.start]
    place = found.start
    for number, size in enumerate(sections):
        assert found.section(number) == (place, size)
        place += size
    assert found.section(-1) == (place - sections[-1], sections[-1])


@given(recipes(), st.data())
def test_adversary_37_cut_anywhere_it_is_refused(recipe: Parts, data: st.DataObject) -> None:
    whole = patch(*recipe)
    with pytest.raises(FormatError):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(FormatError):
        read(whole + b"\0")


@given(recipes(), st.data())
def test_adversary_38_no_two_headers_mean_the_same(recipe: Parts, data: st.DataObject) -> None:
    whole = bytearray(patch(*recipe))
    start = read(bytes(whole)).start
    bit = data.draw(st.integers(0, start * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    try:
        other = read(bytes(whole))
    except FormatError:
        return
    assert (other.method, other.sections, other.views) != recipe


@given(st.binary(max_size=200))
def test_anything_is_a_recipe_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except FormatError:
        return
    assert emit_header(found.method, found.sections) == data[: found.start]


def test_the_document_that_the_tests_below_spoil_is_right() -> None:
    assert read(packed(document(), 7)) == Recipe(Plain(), (7,), 4 + len(msgpack.packb(document())))


BAD = {
    "no map": [],
    "another version": document(airpatch=2),
    "a bool for the version": document(airpatch=True),
    "a float for the version": document(airpatch=1.0),
    "a field more": document(more=0),
    "fields in another order": dict(reversed(document().items())),
    "no method": document(method=[]),
    "an unknown method": document(method=["magic"]),
    "a method as text": document(method="plain"),
    "a detail too many": document(method=["plain", 0]),
    "an encoder as bytes": document(method=["replica", b"zlib-6", b"", []]),
    "a start as text": document(method=["replica", "zlib-6", "", []]),
    "a replica without its list": document(method=["replica", "zlib-6", b""]),
    "decisions of two sources": document(method=["replica", "zlib-6", b"", [0, 1]]),
    "one section for a replay": document(method=["replay", []]),
    "a source twice": document(method=["replay", [1, 1]], sections=[7, 0, 0, 0, 0]),
    "a source that is negative": document(method=["replay", [-1]], sections=[7, 0, 0, 0, 0]),
    "a bool for a source": document(method=["replay", [True]], sections=[7, 0, 0, 0, 0]),
    "too few sections": document(sections=[]),
    "too many sections": document(sections=[7, 0]),
    "sections that leave the patch": document(sections=[8]),
    "sections that do not fill the patch": document(sections=[6]),
    "sections that wrap at 2^64": document(method=["replay", []], sections=[2**64 - 1, 8, 0, 0, 0]),
    "sections that make up for each other": document(method=["replay", []], sections=[9, -2, 0, 0, 0]),
    "a float for a section": document(sections=[7.0]),
    "a section that is no number": document(sections=[None]),
}


@pytest.mark.parametrize("what", BAD)
def test_adversary_35_39_42_hostile_headers(what: str) -> None:
    with pytest.raises(FormatError):
        read(packed(BAD[what], 7))


def test_adversary_42_a_bool_for_a_section() -> None:
    with pytest.raises(FormatError, match="number"):
        read(packed(document(sections=[True]), 1))


def test_adversary_42_a_number_in_a_longer_form() -> None:
    header = msgpack.packb(document()).replace(b"\x91\x07", b"\x91\xcc\x07")
    with pytest.raises(FormatError, match="canonical"):
        read(packed(header, 7))


@pytest.mark.parametrize("length", [MAX_HEADER + 1, 2**32 - 1])
def test_adversary_41_a_header_over_its_limit_is_not_read(length: int) -> None:
    class Endless:
        def read_into(self, view: memoryview, offset: int) -> None:
            assert offset + len(view) <= 4
            view[:] = struct.pack("<I", length)[offset : offset + len(view)]

        def close(self) -> None:
            pass

    with pytest.raises(FormatError, match="does not fit"):
        read_header(Endless(), 2**62)


def test_adversary_41_millions_of_empty_lists() -> None:
    count = MAX_HEADER - 100
    with pytest.raises(FormatError):
        read(packed(b"\xdd" + struct.pack(">I", count) + b"\x90" * count))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (Plain(), "plain"), (Raw(), "raw"), (Whole(), "whole"), (Replay((0,)), "replay"), (FrameReplay((0,)), "replay"),
        (Replica("zlib-6", b""), "replica zlib-6"), (Corrected(Replica("zlib-6", b"")), "corrected zlib-6"),
        (CorrectedFrames("zstd-3"), "corrected zstd-3"), (Frames("zstd-3", ()), "frames zstd-3"),
        (GzipMembers("zlib-9", ()), "members zlib-9"),
    ],
)  # fmt: skip
def test_methods_have_names_for_people(method: Method, name: str) -> None:
    assert method_name(method) == name


@pytest.mark.parametrize(
    ("method", "sections"),
    [(Plain(), 1), (Raw(), 1), (Replay(()), 5), (Frames("", ()), 3), (GzipMembers("", ()), 3), (FrameReplay(()), 5)],
)
def test_methods_have_a_number_of_sections_and_views_two_more(method: Method, sections: int) -> None:
    assert section_count(method) == sections
    assert section_count(method, has_views=True) == sections + 2


def test_each_method_comes_back() -> None:
    for method in (Whole(), Raw(), Plain(), Replica("zlib-6", b"", (3,)), Corrected(Replica("zlib-6", b""))):
        sections = (1,) * section_count(method, False)
        assert read(patch(method, sections)).method == method
