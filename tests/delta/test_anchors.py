"""Matches between a target and its sources are exact, within one source, and found wherever they lie."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.delta.anchors import Anchors
from airpatch.delta.source_space import Space
from tests.delta.support import noise

PIECES = [noise(size, seed) for seed, size in enumerate((300, 900, 2000))] + [b"x" * 500, b""]


def matches(sources: list[bytes], target: bytes, minimum: int = 32) -> list[tuple[int, int, int]]:
    anchors = Anchors(Space.of([memoryview(source) for source in sources]), 1 << 10, lambda: None)
    found = anchors.matches(memoryview(target), 0, len(target), minimum)
    return list(zip(found[::3], found[1::3], found[2::3], strict=True))


def texts(most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(PIECES), max_size=most).map(b"".join)


@settings(max_examples=40)
@given(st.lists(texts(3), min_size=1, max_size=3), texts(4))
def test_matches_are_exact_and_within_one_source(sources: list[bytes], target: bytes) -> None:
    space = Space.of([memoryview(source) for source in sources])
    end = 0
    for at, position, length in matches(sources, target):
        assert end <= at
        assert length >= 32
        content = space.slice(position, length)
        assert content is not None
        assert bytes(content) == target[at : at + length]
        end = at + length


def test_a_long_piece_is_found_in_whatever_source_it_lies() -> None:
    piece = noise(5000, 9)
    found = matches([noise(700, 5), noise(300, 6) + piece], noise(100, 7) + piece)
    assert found == [(100, 1000, 5000)]


def test_a_match_goes_on_after_a_changed_byte_where_there_is_no_anchor() -> None:
    """The end of a tar is zeros, of which there are some elsewhere in it."""
    begin = bytes(134) + noise(2000, 9)
    found = matches([begin + b"2" + bytes(8000)], begin + b"3" + bytes(8000))
    assert found == [(0, 0, 2134), (2135, 2135, 8000)]
