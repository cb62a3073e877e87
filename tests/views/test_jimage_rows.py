"""Rows of a jimage index: differences are undone, and attributes are read as they were written."""

from __future__ import annotations

from array import array
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.views import jimage_rows
from airpatch.views.jimage_rows import COLUMNS

_NUMBER = st.integers(0, (1 << 32) - 1) | st.sampled_from((0, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFF, 0x1000000))
_ROWS = st.lists(st.lists(_NUMBER, min_size=COLUMNS, max_size=COLUMNS), max_size=5)


def _joined(rows: list[list[int]]) -> array[int]:
    return array("I", (number for row in rows for number in row))


@given(_ROWS)
def test_differences_are_undone(rows: list[list[int]]) -> None:
    joined = _joined(rows)
    assert jimage_rows.restored(jimage_rows.differences(joined)) == joined


def test_what_the_row_before_lets_expect_has_no_difference() -> None:
    unpacked, packed, last = ([7, 8, 9, 3, at, size, 500] for at, size in ((1000, 0), (1500, 20), (1520, 0)))
    differences = jimage_rows.differences(_joined([unpacked, packed, last]))
    assert list(differences) == [*unpacked, 0, 0, 0, 0, 0, 20, 500, 0, 0, 0, 0, 0, 0, 500]


@given(_ROWS, st.randoms(use_true_random=False))
def test_attributes_are_read_as_they_were_written(rows: list[list[int]], random: Random) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    attributes, places = jimage_rows.write(_joined(rows), order)
    assert [jimage_rows.read(attributes, at) for at in places] == [rows[number] for number in order]


@given(st.binary(max_size=30), st.integers(0, 40))
def test_any_bytes_are_read_as_a_row(data: bytes, at: int) -> None:
    row = jimage_rows.read(data, at)
    assert len(row) == COLUMNS
    assert all(0 <= number < 1 << 32 for number in row)


def test_names_lie_in_the_strings() -> None:
    row = [1, 2, 3, 9, 50, 60, 70]
    assert list(jimage_rows.names(_joined([row, row]), 10)) == [1, 2, 3, 9, 1, 2, 3, 9]
    with pytest.raises(FormatError, match="a name outside of its names"):
        jimage_rows.names(_joined([row]), 9)
