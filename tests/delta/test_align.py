"""Covers of an alignment lie in both sides, ascend and do not overlap; equal bytes are found where they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.align import Aligner
from tests.delta.support import noise


def covers(source: bytes, target: bytes, guess: int = 0, far: int = 2) -> list[tuple[int, int, int]]:
    found = Aligner(memoryview(source), 8, far).align(target, 0, len(target), guess)
    return list(zip(found[::3], found[1::3], found[2::3], strict=True))


PIECES = st.sampled_from([noise(40, seed) for seed in range(4)] + [b"", b"x" * 30, b"abc" * 11])


@given(st.lists(PIECES, max_size=8).map(b"".join), st.lists(PIECES, max_size=8).map(b"".join), st.integers(-50, 50))
def test_covers_lie_within_both_sides_and_in_order(source: bytes, target: bytes, guess: int) -> None:
    end = 0
    for at, where, length in covers(source, target, guess):
        assert end <= at
        assert length > 0
        assert 0 <= where <= len(source) - length
        end = at + length
    assert end <= len(target)


def test_what_moved_is_found() -> None:
    one, two = noise(500, 1), noise(500, 2)
    assert covers(one + two, two + one, 500) == [(0, 500, 500), (500, 0, 500)]


def test_a_few_wrong_bytes_do_not_end_a_cover() -> None:
    source = noise(1000, 3)
    target = bytearray(source)
    for at in (100, 101, 500, 900):
        target[at] ^= 0xFF
    assert covers(source, bytes(target)) == [(0, 0, 1000)]


def test_a_short_match_far_away_is_worth_a_cover_only_where_places_are_cheap() -> None:
    source = noise(30000, 4)
    target = source[:1000] + source[29000:29014] + source[1014:2000]
    assert covers(source, target, far=2) == [(0, 0, 1000), (1000, 29000, 14), (1014, 1014, 986)]
    assert covers(source, target, far=8) == [(0, 0, 2000)]


def test_of_two_matches_the_nearer_one_is_taken_if_it_is_hardly_shorter() -> None:
    word = noise(40, 5)
    source = noise(100, 6) + word[:36] + noise(20000, 7) + word
    assert covers(source, word, 300, far=0) == [(0, 20136, 40)]
    assert covers(source, word, 300, far=8) == [(0, 100, 36)]
