"""Headers of dynamic blocks spell code lengths as zlib and Go do, and every spelling tells the same lengths."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.header import (
    MANY_ZEROS,
    REPEAT,
    RUN_REPEATS,
    RUN_VALUES,
    ZEROS,
    DynamicHeader,
    go_header,
    zlib_header,
)
from airpatch.errors import FormatError

LENGTHS = st.lists(
    st.tuples(st.integers(0, 15), st.sampled_from([1, 2, 3, 4, 6, 7, 8, 13, 14, 140])),
    min_size=1,
    max_size=60,
).map(lambda runs: b"".join(bytes([length]) * count for length, count in runs))


@given(LENGTHS, LENGTHS)
def test_both_spellings_tell_the_lengths(literals: bytes, distances: bytes) -> None:
    literals, distances = (literals + bytes(286))[:286], (distances + bytes(30))[:30]
    for header in (zlib_header(literals, distances), go_header(literals, distances)):
        first, second = header.lengths()
        assert (len(first), len(second)) == (header.literal_count, header.distance_count)
        assert first + bytes(286 - len(first)) == literals
        assert second + bytes(30 - len(second)) == distances
        assert header.literal_count == 257 or first[-1]
        assert header.distance_count == 1 or second[-1]
    assert go_header(literals, distances, trim=False).lengths() == (literals, distances)


def test_runs() -> None:
    literals = bytes([5] * 9 + [0] * 249)
    # zlib: a length and six more, then two alone; Go: the first, then six, then two alone.
    assert zlib_header(literals, b"\1").runs[:4] == bytes([5, REPEAT + 3, 5, 5])
    assert go_header(literals, b"\1").runs[:4] == bytes([5, REPEAT + 3, 5, 5])
    assert zlib_header(bytes(256) + b"\1", b"\1").runs == bytes([MANY_ZEROS + 127, MANY_ZEROS + 107, 1, 1])
    # A run across the alphabets is one for Go, two for zlib.
    literals = bytes(252) + b"\2" * 5
    assert go_header(literals, b"\2" * 2).runs[-2:] == bytes([2, REPEAT + 3])
    assert zlib_header(literals, b"\2" * 2).runs[-4:] == bytes([2, REPEAT + 1, 2, 2])


def test_run_tables_cover_the_byte_values() -> None:
    assert (REPEAT, ZEROS, MANY_ZEROS, RUN_VALUES) == (16, 20, 28, 156)
    assert bytes([1] * 16 + [3, 4, 5, 6] + list(range(3, 11)) + list(range(11, 139))) == RUN_REPEATS


@pytest.mark.parametrize(
    "runs", [b"\x10", bytes([RUN_VALUES]), b"\1" * 257, b"\1" * 259, bytes([MANY_ZEROS + 127] * 2)]
)
def test_malformed_runs_are_refused(runs: bytes) -> None:
    header = DynamicHeader(257, 1, 4, bytes(19), b"")
    with pytest.raises(FormatError):
        replace(header, runs=runs).lengths()
