"""The smallest chain of patches, held against all chains."""

from __future__ import annotations

from itertools import pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from airpatch.model.digest import Digest
from airpatch.model.release import Release
from airpatch.product_line.planning import PlannedPair
from airpatch.product_line.release_pairs import ReleasePair
from airpatch.product_line.smallest_chains import smallest_chains
from airpatch.store.release_store import StoredRelease

RELEASES = [StoredRelease(Digest.of(b"%d" % number), Release(f"r{number}", number, (), ())) for number in range(5)]
graphs = st.dictionaries(
    st.tuples(st.sampled_from(range(5)), st.sampled_from(range(5))).filter(lambda ends: ends[0] != ends[1]),
    st.integers(1, 20),
)


def planned(graph: dict[tuple[int, int], int]) -> list[PlannedPair]:
    return [PlannedPair(ReleasePair(RELEASES[a], RELEASES[b]), 1, 1, size, 30) for (a, b), size in graph.items()]


@given(graphs)
def test_no_chain_is_smaller(graph: dict[tuple[int, int], int]) -> None:
    found = {(each.releases[0], each.releases[-1]): each for each in smallest_chains(planned(graph))}
    best: dict[tuple[StoredRelease, StoredRelease], int] = {}
    for length in range(2, 6):
        for way in permutations(range(5), length):
            if all(step in graph for step in pairwise(way)):
                ends, size = (RELEASES[way[0]], RELEASES[way[-1]]), sum(graph[step] for step in pairwise(way))
                best[ends] = min(best.get(ends, size), size)
    assert {ends: each.bytes for ends, each in found.items()} == best
    for each in found.values():
        numbers = [release.release.sequence for release in each.releases]
        assert sum(graph[step] for step in pairwise(numbers)) == each.bytes
        assert each.missing == len(numbers) - 1


def test_of_equal_ones_it_is_the_shortest() -> None:
    chains = smallest_chains(planned({(0, 1): 1, (1, 2): 1, (0, 2): 2}))
    assert [len(each.releases) for each in chains if each.releases[-1] is RELEASES[2]] == [2, 2]
