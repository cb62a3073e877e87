"""Spans: a range is cut into what lies in them and what does not, and covers are cut to a range."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.spans import Span, cut, holds, outside, within

_SPAN = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda each: (each[0], each[0] + each[1]))


@given(st.lists(_SPAN, max_size=6).map(sorted), _SPAN)
def test_a_range_is_tiled_by_what_lies_in_spans_and_what_does_not(spans: list[Span], whole: Span) -> None:
    parts = list(cut(*whole, spans))
    assert [at for low, high, _ in parts for at in range(low, high)] == list(range(*whole))
    for low, high, is_inside in parts:
        for at in range(low, high):
            assert is_inside == any(begin <= at < end for begin, end in spans)
    assert outside(*whole, spans) == [(low, high) for low, high, is_inside in parts if not is_inside]


@given(st.lists(st.integers(0, 60), max_size=9, unique=True).map(sorted), _SPAN)
def test_covers_are_cut_to_a_range(ends: list[int], whole: Span) -> None:
    covers = [(low, low + 1000, high - low) for low, high in pairwise(ends)]
    inside = within(covers, *whole)
    said = {at for at, _, length in covers for at in range(at, at + length)}
    assert [at for at, _, length in inside for at in range(at, at + length)] == sorted(said & set(range(*whole)))
    assert all(position - at == 1000 for at, position, _ in inside)


@given(st.lists(st.integers(0, 60), max_size=9, unique=True).map(sorted), st.integers(0, 70))
def test_a_place_lies_in_a_span(ends: list[int], at: int) -> None:
    spans = list(pairwise(ends))[::2]
    assert holds(spans, at) == any(low <= at < high for low, high in spans)
