"""Windows: covers lie in the sources where the windows lie, and in no two at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.delta.source_space import Space
from airpatch.delta.windows import Windows, far
from tests.delta.support import noise

SOURCES = [noise(3000, 1), noise(3000, 2)]
SPACE = Space.of(SOURCES)


@given(
    st.lists(st.tuples(st.integers(0, 5999), st.integers(1, 2000)), max_size=4),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 900)), max_size=5),
)
def test_covers_are_of_the_windows_and_equal(windows: list[tuple[int, int]], parts: list[tuple[int, int]]) -> None:
    row = b"".join(SOURCES)
    target = b"".join(row[at : at + size] for at, size in parts)
    index = Windows(SPACE, [(low, low + size) for low, size in windows], 4, 2)
    end = 0
    for at, position, length in index.align(memoryview(target), 0, len(target), 0):
        assert at >= end
        end = at + length
        assert SPACE.holds(position, length)
        assert any(low <= position and position + length <= low + size for low, size in windows)


def test_what_lies_in_no_single_source_is_left_out() -> None:
    target = memoryview(SOURCES[1][:500])
    assert not list(Windows(SPACE, [(2900, 3500)], 4, 2).align(target, 0, 500, 0))
    assert list(Windows(SPACE, [(2900, 3500), (3000, 3600)], 4, 2).align(target, 0, 500, 0)) == [(0, 3000, 500)]
    assert not list(Windows(SPACE, [], 4, 2).align(target, 0, 500, 0))


def test_places_are_dearer_in_text() -> None:
    text = memoryview(b"const n=require('fs');\n\t// \xe4\xb8\xad\n" * 300)
    assert far(text) > far(memoryview(bytes(text[:100]) + b"\0" + bytes(text[100:])))
    assert far(text) == far(text[:0]) == far(memoryview(bytes(text[:5000]) + b"\0"))


def test_of_equal_places_that_near_the_guess_is_taken() -> None:
    """Wherever its window stands among the joined ones."""
    same = noise(200, 3)
    places = [400, 1600, 2400]
    source = bytearray(noise(3000, 4))
    for place in places:
        source[place : place + len(same)] = same
    index = Windows(Space.of([bytes(source)]), [(2304, 2804), (304, 704), (1504, 2004)], 1, 2)
    for place in places:
        assert list(index.align(memoryview(same), 0, len(same), place)) == [(0, place, len(same))]


def test_short_runs_are_no_covers() -> None:
    """What fills up the last block of a file, of which every source has some."""
    other, padding = noise(600, 5), bytes(127)
    source = noise(100, 6) + bytes(300) + noise(100, 7)
    index = Windows(Space.of([source]), [(0, len(source))], 4, 2)

    def covers(target: bytes) -> list[int]:
        return [length for _, _, length in index.align(memoryview(target), 0, len(target), 0)]

    assert covers(other + padding + other) == []
    assert len(covers(other + 2 * padding + other)) == 1
    assert covers(other + padding + source[400:] + other) == [227]  # which go on alike
