"""Codes are complete, within their limit, and optimal where nothing is cut."""

from __future__ import annotations

from array import array
from heapq import heapify, heappop, heappush

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate.huffman import canonical_codes, go_lengths, zlib_lengths
from airpatch.errors import FormatError

COUNTS = st.lists(st.one_of(st.just(0), st.integers(1, 9), st.integers(1, 30_000)), min_size=2, max_size=286)


def cost(counts: list[int], lengths: bytes) -> int:
    return sum(map(int.__mul__, counts, lengths))


def optimum(counts: list[int]) -> int:
    """Return the bits of an unlimited Huffman code."""
    heap = [count for count in counts if count]
    heapify(heap)
    total = 0
    while len(heap) > 1:
        total += (pair := heappop(heap) + heappop(heap))
        heappush(heap, pair)
    return total


def is_complete(lengths: bytes) -> bool:
    return sum(1 << (15 - bits) for bits in lengths if bits) == 1 << 15


@given(COUNTS)
def test_codes_are_complete_and_optimal_where_nothing_is_cut(counts: list[int]) -> None:
    for build in (zlib_lengths, go_lengths):
        lengths = build(array("I", counts), 15)
        assert [bool(bits) for bits in lengths][2:] == [bool(count) for count in counts][2:] or sum(
            map(bool, counts)
        ) < 2
        if sum(map(bool, counts)) > 1:
            assert is_complete(lengths)
            if max(lengths) < 15:
                assert cost(counts, lengths) == optimum(counts)


@given(COUNTS)
def test_limits_hold(counts: list[int]) -> None:
    counts = counts[:19]
    for build in (zlib_lengths, go_lengths):
        lengths = build(array("I", counts), 7)
        assert max(lengths) <= 7
        assert sum(map(bool, counts)) < 2 or sum(1 << (7 - bits) for bits in lengths if bits) == 1 << 7


def test_package_merge_is_never_worse_under_a_limit() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 19:
        fibonacci.append(sum(fibonacci[-2:]))
    counts = array("I", fibonacci)
    assert max(zlib_lengths(counts, 7)) == max(go_lengths(counts, 7)) == 7
    assert cost(fibonacci, go_lengths(counts, 7)) <= cost(fibonacci, zlib_lengths(counts, 7))


def test_ties() -> None:
    five = array("I", [1, 1, 1, 1, 1])
    # Among equals Go shortens the last symbols; zlib's heap brings the first and the last together.
    assert go_lengths(five, 15) == bytes([3, 3, 2, 2, 2])
    assert zlib_lengths(five, 15) == bytes([3, 2, 2, 2, 3])


@pytest.mark.parametrize(
    ("counts", "zlib", "go"),
    [
        ([0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]),
        ([5, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]),
        ([0, 5, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0]),
        ([0, 0, 0, 5], [1, 0, 0, 1], [0, 0, 0, 1]),
    ],
)
def test_few_symbols(counts: list[int], zlib: list[int], go: list[int]) -> None:
    assert zlib_lengths(array("I", counts), 15) == bytes(zlib)
    assert go_lengths(array("I", counts), 15) == bytes(go)


def test_canonical_codes_of_the_rfc() -> None:
    # RFC 1951 3.2.2: lengths of ABCDEFGH, codes 010 011 100 101 110 00 1110 1111; here bit-reversed.
    codes = canonical_codes(bytes([3, 3, 3, 3, 3, 2, 4, 4]))
    assert list(codes) == [0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111]


def test_adversary_36_over_subscribed_codes_are_refused() -> None:
    for lengths in (
        [1, 1, 1],
        [15, *[1] * 2],
        [2] * 5,
        [15] * 2 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    ):
        with pytest.raises(FormatError):
            canonical_codes(bytes(lengths))
