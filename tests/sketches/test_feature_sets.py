"""Sets of features do what Python's own sets and dictionaries do."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from airpatch.sketches.feature_sets import (
    Features,
    exclusive_counts,
    features,
    mark_explained,
    shared,
    thinned,
    unexplained_weight,
)

HASHES = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 20))
WEIGHED = st.lists(st.tuples(HASHES, st.integers(0, 2**32 - 1)), max_size=60)


def of(pairs: list[tuple[int, int]]) -> Features:
    return features(array("Q", [h for h, _ in pairs]), array("I", [w for _, w in pairs]))


@given(WEIGHED)
def test_features_ascend_and_equal_ones_are_added_up(pairs: list[tuple[int, int]]) -> None:
    sums: dict[int, int] = {}
    for h, weight in pairs:
        sums[h] = min(sums.get(h, 0) + weight, 2**32 - 1)
    found = of(pairs)
    assert list(found.hashes) == sorted(sums)
    assert list(found.weights) == [sums[h] for h in sorted(sums)]


@given(WEIGHED, st.integers(0, 5), st.integers(0, 5))
def test_thinning_twice_is_thinning_more(pairs: list[tuple[int, int]], first: int, second: int) -> None:
    hashes, weights = array("Q", [h for h, _ in pairs]), array("I", [w for _, w in pairs])
    once = thinned(hashes, weights, 0, max(first, second))
    assert thinned(*thinned(hashes, weights, 0, first), first, second) == once
    kept = dict(zip(once[0], once[1], strict=True))
    assert set(once[0]) <= set(hashes)
    assert all(weight >= 0 for weight in kept.values())


def test_each_halving_leaves_half_which_weigh_twice_as_much() -> None:
    hashes = array("Q", range(0, 2**40, 2**26))
    weights = array("I", [3]) * len(hashes)
    for halvings in range(5):
        kept, heavier = thinned(hashes, weights, 0, halvings)
        assert 0.9 < len(kept) * 2**halvings / len(hashes) < 1.1
        assert set(heavier) == {3 << halvings}
    assert set(thinned(hashes, array("I", [2**31]) * len(hashes), 0, 3)[1]) == {2**32 - 1}


@given(st.sets(HASHES), st.sets(HASHES, max_size=4), st.booleans())
def test_what_is_shared(many: set[int], few: set[int], swap: bool) -> None:
    """Where one is much larger, too."""
    wanted, offered = (sorted(many), sorted(few)) if swap else (sorted(few), sorted(many))
    found = shared(array("Q", wanted), array("Q", offered))
    assert list(found) == [h in offered for h in wanted]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), *(st.booleans() for _ in range(3)))))
def test_what_is_found_counts_as_long_as_it_is_not_explained(rows: list[tuple[int, bool, bool, bool]]) -> None:
    first, second, explained = (bytearray(row[i] for row in rows) for i in (1, 2, 3))
    weights = array("I", [row[0] for row in rows])
    assert unexplained_weight(weights, first, explained) == sum(w for w, f, _, e in rows if f and not e)
    assert exclusive_counts(first, second, explained) == (
        sum(f and not s and not e for _, f, s, e in rows),
        sum(s and not f and not e for _, f, s, e in rows),
    )
    mark_explained(first, explained)
    assert list(explained) == [f or e for _, f, _, e in rows]
