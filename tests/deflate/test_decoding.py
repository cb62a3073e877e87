"""Tables find every code of every length, whatever bits follow it."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.deflate import decoding
from airpatch.deflate.huffman import canonical_codes, go_lengths
from airpatch.deflate.tables import FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_LENGTHS
from airpatch.errors import FormatError


def table(lengths: bytes, index: int, values: array[int], size: int) -> array[int]:
    entries = array("I", bytes(4 * size))
    decoding.build_table(lengths, index, values, entries)
    return entries


def look_up(entries: array[int], index: int, bits: int) -> int:
    entry = entries[bits & (1 << index) - 1]
    if entry >> 8 & 0xFF == decoding.LINK:
        entry = entries[(entry >> 16) + (bits >> index & (1 << (entry & 0xFF)) - 1)]
    return entry


@given(st.lists(st.sampled_from([0, 1, 2, 5, 40, 1000, 30_000]), min_size=286, max_size=286))
def test_every_code_is_found_whatever_follows_it(counts: list[int]) -> None:
    counts[256] = counts[0] = 1
    lengths = go_lengths(array("I", counts), 15)
    literals = (decoding.LITERAL_INDEX, decoding.LITERAL_VALUES)
    entries = table(lengths, *literals, decoding.LITERAL_ENTRIES)
    for symbol, code in enumerate(canonical_codes(lengths)):
        if lengths[symbol]:
            for after in (0, 0x7FFF):
                entry = look_up(entries, decoding.LITERAL_INDEX, code | after << lengths[symbol])
                assert entry == decoding.LITERAL_VALUES[symbol] << 8 | lengths[symbol]


def test_the_deepest_codes_fit_the_tables() -> None:
    deepest = bytes([*range(1, 15), 15, 15])
    codes = list(canonical_codes(deepest))
    for index, values, size in (
        (decoding.DISTANCE_INDEX, decoding.DISTANCE_VALUES, decoding.DISTANCE_ENTRIES),
        (decoding.LITERAL_INDEX, decoding.LITERAL_VALUES, decoding.LITERAL_ENTRIES),
    ):
        entries = table(deepest, index, values, size)
        found = [look_up(entries, index, code) for code in codes]
        assert found == [values[symbol] << 8 | length for symbol, length in enumerate(deepest)]


def test_fixed_codes() -> None:
    distances = (decoding.DISTANCE_INDEX, decoding.DISTANCE_VALUES, decoding.DISTANCE_ENTRIES)
    entries = table(FIXED_DISTANCE_LENGTHS, *distances)
    assert look_up(entries, decoding.DISTANCE_INDEX, 0b01111) >> 8 & 0xFF == decoding.UNUSED  # symbol 30
    literals = (decoding.LITERAL_INDEX, decoding.LITERAL_VALUES, decoding.LITERAL_ENTRIES)
    assert look_up(table(FIXED_LITERAL_LENGTHS, *literals), 10, 0) == decoding.END << 8 | 7


@pytest.mark.parametrize("lengths", [[2], [1, 2], [2, 2, 2], [1, 1, 1], [15] * 30])
def test_adversary_36_codes_that_zlib_refuses(lengths: list[int]) -> None:
    distances = (decoding.DISTANCE_INDEX, decoding.DISTANCE_VALUES, decoding.DISTANCE_ENTRIES)
    with pytest.raises(FormatError):
        table(bytes(lengths), *distances)


@pytest.mark.parametrize("lengths", [[], [0, 0], [1], [0, 1]])
def test_no_code_and_a_single_one_are_taken(lengths: list[int]) -> None:
    distances = (decoding.DISTANCE_INDEX, decoding.DISTANCE_VALUES, decoding.DISTANCE_ENTRIES)
    entries = table(bytes(lengths), *distances)
    assert look_up(entries, decoding.DISTANCE_INDEX, 1) >> 8 & 0xFF == decoding.UNUSED
