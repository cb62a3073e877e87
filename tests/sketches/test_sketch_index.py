"""Sets are found by the rare features that they share; those that all have cost no more than a bounded time."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from airpatch.sketches.sketch_index import MANY, SketchIndex

SETS = st.lists(st.sets(st.integers(0, 40), max_size=8), max_size=30)


def built(sets: list[set[int]]) -> SketchIndex:
    index = SketchIndex(sum(map(len, sets)))
    for number, each in enumerate(sets):
        index.add(number, array("Q", sorted(each)))
    return index


@given(SETS, st.sets(st.integers(0, 40)), st.integers(0, 30))
def test_votes_are_for_the_first_sets_that_share_something(sets: list[set[int]], wanted: set[int], count: int) -> None:
    count = min(count, len(sets))
    hashes = array("Q", sorted(wanted))
    votes = built(sets).votes(hashes, array("I", [100]) * len(hashes), count)
    having = {h: [number for number, each in enumerate(sets) if h in each][:MANY] for h in wanted}
    expected: dict[int, tuple[int, int]] = {}
    for numbers in having.values():
        for number in numbers:
            if number < count:
                rare, common = expected.get(number, (0, 0))
                is_rare = len(numbers) < MANY
                share = 100 // len(numbers) + 1
                expected[number] = (rare + share, common) if is_rare else (rare, common + 101)
    assert {vote.number: (vote.rare, vote.common) for vote in votes} == expected


def test_one_that_is_full_takes_no_more() -> None:
    index = SketchIndex(2)
    index.add(0, array("Q", [1, 2, 3]))
    index.add(1, array("Q", [1]))
    votes = index.votes(array("Q", [1, 2, 3]), array("I", [1, 1, 1]), 2)
    assert [vote.number for vote in votes] == [0]
    assert SketchIndex(0).votes(array("Q", [1]), array("I", [1]), 0) == []
