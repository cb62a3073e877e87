"""Hints in order, without overlap, and within their file."""

from __future__ import annotations

from airpatch.views.finders.hint import Hint, without_overlaps


def hint(start: int, size: int | None, body: int | None = None) -> Hint:
    return Hint(start, "zlib", start + 2 if body is None else body, size, b"name")


def test_hints_come_in_order() -> None:
    assert without_overlaps([hint(50, 10), hint(0, 20)], 100) == (hint(0, 20), hint(50, 10))


def test_the_earlier_one_of_two_that_overlap_stays() -> None:
    assert without_overlaps([hint(0, 20), hint(19, 10), hint(20, 10)], 100) == (hint(0, 20), hint(20, 10))


def test_one_that_ends_beyond_the_file_is_dropped() -> None:
    assert without_overlaps([hint(90, 10), hint(50, 51)], 100) == (hint(90, 10),)


def test_of_one_without_a_size_only_the_header_counts() -> None:
    assert without_overlaps([hint(0, None), hint(2, 5)], 100) == (hint(0, None), hint(2, 5))
