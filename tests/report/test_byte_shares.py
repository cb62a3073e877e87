"""Shares add up to what is shared, whatever the weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.report.byte_shares import share_out

WEIGHTS = st.lists(st.integers(0, 1 << 40) | st.floats(0, 1e12), min_size=1, max_size=50)


@given(st.integers(0, 1 << 50), WEIGHTS)
def test_nothing_is_lost(total: int, weights: list[float]) -> None:
    shares = share_out(total, weights)
    assert sum(shares) == total
    assert len(shares) == len(weights)
    assert min(shares) >= 0


def test_shares_are_in_proportion() -> None:
    assert share_out(100, [1, 2, 1]) == [25, 50, 25]
    assert share_out(10, [0, 1, 0]) == [0, 10, 0]
    assert share_out(9, [0, 0, 0]) == [3, 3, 3]


def test_there_must_be_someone_to_have_it() -> None:
    assert share_out(0, []) == []
    with pytest.raises(ValueError, match="no one"):
        share_out(1, [])
