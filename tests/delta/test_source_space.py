"""Sources in a row: positions, and slices that never cross from one source into the next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.source_space import Space


@given(st.lists(st.binary(max_size=9), max_size=6), st.integers(-2, 60), st.integers(-2, 12))
def test_a_slice_lies_within_one_source(sources: list[bytes], position: int, length: int) -> None:
    space = Space.of(sources)
    row = b"".join(sources)
    assert space.size == len(row)
    found = space.slice(position, length)
    if not 0 <= position < len(row):
        assert found is None
        return
    number = space.locate(position)
    begin, end = space.bases[number], space.bases[number] + len(sources[number])
    assert begin <= position < end
    if 0 <= length <= end - position:
        assert found is not None
        assert bytes(found) == row[position : position + length]
    else:
        assert found is None
