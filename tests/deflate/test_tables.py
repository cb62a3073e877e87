"""Symbols of lengths and distances are those of RFC 1951 3.2.5."""

from __future__ import annotations

from airpatch.deflate.tables import (
    CODE_LENGTH_ORDER,
    CODE_LENGTH_SYMBOLS,
    DISTANCE_BASE,
    DISTANCE_EXTRA,
    DISTANCE_SYMBOL,
    DISTANCES,
    LENGTH_BASE,
    LENGTH_EXTRA,
    LENGTH_SYMBOL,
    MAX_MATCH,
    MIN_MATCH,
    WINDOW,
)


def test_each_length_has_the_symbol_whose_range_holds_it() -> None:
    for length in range(MIN_MATCH, MAX_MATCH + 1):
        symbol = LENGTH_SYMBOL[length]
        assert 0 <= length - LENGTH_BASE[symbol] < 1 << LENGTH_EXTRA[symbol]
    assert LENGTH_SYMBOL[MAX_MATCH] == 28  # symbol 285, not the last spelling of 284


def test_each_distance_has_the_symbol_whose_range_holds_it() -> None:
    for distance in range(1, WINDOW + 1):
        symbol = DISTANCE_SYMBOL[distance - 1 if distance <= 256 else 256 + (distance - 1 >> 7)]
        assert 0 <= distance - DISTANCE_BASE[symbol] < 1 << DISTANCE_EXTRA[symbol]
    assert len(DISTANCE_BASE) == DISTANCES


def test_code_lengths_are_sent_once_each() -> None:
    assert sorted(CODE_LENGTH_ORDER) == list(range(CODE_LENGTH_SYMBOLS))
