"""Spans: ranges of a target or of sources, in ascending order, and what covers say of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from airpatch.delta.olds import Cover

Span = tuple[int, int]  # begin and end


def cut(start: int, end: int, spans: Iterable[Span]) -> Iterator[tuple[int, int, bool]]:
    """Cut start..end where the spans, which ascend, begin and end; yield which parts lie in one."""
    for low, high in spans:
        if start < min(low, end):
            yield start, min(low, end), False
        if max(start, low) < min(end, high):
            yield max(start, low), min(end, high), True
        start = max(start, high)
    if start < end:
        yield start, end, False


def outside(start: int, end: int, spans: Iterable[Span]) -> list[Span]:
    """Return what of start..end lies in none of the spans, which ascend."""
    return [(low, high) for low, high, is_apart in cut(start, end, spans) if not is_apart]


def holds(spans: Sequence[Span], at: int) -> bool:
    """Return whether a place lies in one of the spans, which ascend."""
    number = bisect_right(spans, at, key=lambda span: span[0]) - 1
    return number >= 0 and at < spans[number][1]


def within(covers: Sequence[Cover], start: int, end: int) -> list[Cover]:
    """Return what the covers, which ascend, say of target[start:end]."""
    first = bisect_right(covers, start, key=lambda cover: cover[0] + cover[2])
    last = bisect_left(covers, end, key=lambda cover: cover[0])
    parts = ((max(at, start), source - at, min(at + length, end)) for at, source, length in covers[first:last])
    return [(low, low + shift, high - low) for low, shift, high in parts if low < high]
