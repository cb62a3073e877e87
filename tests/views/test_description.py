"""Views as bytes: what goes in comes out, and there is one encoding."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views.description import (
    END,
    FIRST_CODING,
    MAX_DEPTH,
    REST,
    SKIP,
    Coding,
    View,
    emit_view,
    parse_view,
)

RAW = Coding("raw", "zlib-6")


def view_of(*records: tuple[int, int], codings: tuple[Coding, ...] = (RAW,)) -> View:
    return View(codings, bytes(action for _, action in records), array("q", [length for length, _ in records]))


@st.composite
def nested(draw: st.DrawFn) -> View:
    """Records with their ends."""
    records: list[tuple[int, int]] = []
    codings = [Coding("raw", "zlib-6"), Coding("gzip", ""), Coding("zip-archive")]
    used: list[Coding] = []
    depth = 0
    for _ in range(draw(st.integers(0, 20))):
        kind = draw(st.integers(0, 3))
        length = draw(st.sampled_from([0, 1, 127, 128, 1 << 40]))
        if kind == 0 and depth < MAX_DEPTH:
            coding = draw(st.sampled_from(codings))
            if coding not in used:
                used.append(coding)
            records.append((length, FIRST_CODING + used.index(coding)))
            depth += 1
        elif kind == 1 and depth:
            records.append((0, REST))
            depth -= 1
        elif kind == 2 and depth:
            records.append((length, END))
            depth -= 1
        else:
            records.append((length, SKIP))
    records += [(3, END)] * (depth + 1)
    return view_of(*records, codings=tuple(used))


@given(nested())
def test_what_is_emitted_is_parsed(view: View) -> None:
    data = emit_view(view)
    assert parse_view(data) == view
    assert emit_view(parse_view(data)) == data


@given(nested(), st.integers(0, 1 << 20))
def test_a_view_that_is_cut_short_is_refused(view: View, cut: int) -> None:
    data = emit_view(view)
    with pytest.raises(FormatError):
        parse_view(data[: cut % len(data)])


BOTH = (0, FIRST_CODING), (0, FIRST_CODING + 1)


@pytest.mark.parametrize(
    ("view", "defect"),
    [
        (view_of((0, FIRST_CODING), (0, END)), "has no end"),
        (view_of((0, FIRST_CODING), (0, END), (0, END), (0, END)), "after its end"),
        (view_of((0, FIRST_CODING), (0, REST), (0, REST)), "after its end"),
        (view_of((0, END)), "first use"),
        (view_of(*[(0, FIRST_CODING)] * 2, *[(0, END)] * 3, codings=(Coding("brotli"),)), "in another one"),
        (view_of(*[(0, FIRST_CODING)] * 2, *[(0, END)] * 3, codings=(Coding("zstd"),)), "in another one"),
        (view_of(*BOTH, *[(0, END)] * 3, codings=(Coding("zstd"), Coding("brotli"))), "in another one"),
        (view_of((0, FIRST_CODING), (0, END), (0, END), codings=(RAW, RAW)), "first use"),
        (view_of(*[(0, FIRST_CODING)] * (MAX_DEPTH + 1), *[(0, END)] * (MAX_DEPTH + 2)), "levels"),
    ],
)
def test_what_makes_no_sense_is_refused(view: View, defect: str) -> None:
    with pytest.raises(FormatError, match=defect):
        parse_view(emit_view(view))


@pytest.mark.parametrize(
    ("data", "defect"),
    [
        (b"\x01\x05raw  \x02\x03\x00\x01\x00", "malformed name"),
        (b"\x00\x01\x07\x00", "unknown action"),
        (b"\x00\x01\x00", "fewer lengths"),
        (b"\x00\x01\x00\x00\x00", "more lengths"),
        (b"\x00\xff\xff\xff\x7f", "more than"),
        (b"\x7f", "cut short"),
        (b"\xff\x01", "more than"),
    ],
)
def test_malformed_bytes_are_refused(data: bytes, defect: str) -> None:
    with pytest.raises(FormatError, match=defect):
        parse_view(data)


def test_large_streams_may_follow_each_other_at_any_depth() -> None:
    brotli, archive = Coding("brotli"), Coding("zip-archive")
    begin, inner = FIRST_CODING, FIRST_CODING + 1
    records = [(0, begin), (0, inner), (0, END), (0, REST), (0, inner), (0, begin), (0, END), (0, END), (0, END)]
    view = view_of(*records, codings=(brotli, archive))
    assert parse_view(emit_view(view)) == view


def test_only_a_view_without_rests_and_skips_is_reversible() -> None:
    assert view_of((3, END), codings=()).is_reversible
    assert not view_of((1, SKIP), (3, END), codings=()).is_reversible
    assert not view_of((1, FIRST_CODING), (0, REST), (3, END)).is_reversible
