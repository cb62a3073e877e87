"""The walk over manifests: everything below an image, once, children first."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.model.digest import Digest
from airpatch.model.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from airpatch.model.walk import complete, walk


def digest(number: int) -> Digest:
    return Digest(number.to_bytes(32, "big"))


def index(*children: int) -> Manifest:
    return Manifest(OCI_INDEX, manifests=tuple(Descriptor(OCI_MANIFEST, digest(child), 1) for child in children))


def graph(children: Mapping[int, tuple[int, ...]]) -> dict[Digest, Manifest]:
    return {digest(number): index(*below) for number, below in children.items()}


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, tuple[int, ...]]:
    """Indexes that name ones of smaller numbers, as digests allow."""
    count = draw(st.integers(1, 12))
    return {
        number: tuple(draw(st.lists(st.integers(0, number - 1), max_size=4))) if number else ()
        for number in range(count)
    }


def below(children: Mapping[int, tuple[int, ...]], top: int) -> set[int]:
    return {top}.union(*(below(children, child) for child in children[top]))


@given(children=graphs(), data=st.data())
def test_everything_below_comes_once_and_children_first(
    children: dict[int, tuple[int, ...]], data: st.DataObject
) -> None:
    tops = data.draw(st.lists(st.sampled_from(sorted(children)), max_size=3))
    found = list(walk((digest(top) for top in tops), graph(children).__getitem__))
    order = [number for number, _ in found]
    assert sorted(order) == sorted(digest(n) for n in set().union(*(below(children, top) for top in tops)))
    for position, (_, manifest) in enumerate(found):
        assert {child.digest for child in manifest.manifests} <= set(order[:position])


def test_manifests_are_read_once_and_an_index_before_its_children() -> None:
    manifests = graph({0: (), 1: (0, 0), 2: (1, 0)})
    read: list[Digest] = []

    def reading(asked: Digest) -> Manifest:
        read.append(asked)
        return manifests[asked]

    assert [found for found, _ in walk([digest(2)], reading)] == [digest(0), digest(1), digest(2)]
    assert read == [digest(2), digest(1), digest(0)]


def test_what_cannot_be_read_is_passed_over_with_what_only_it_names() -> None:
    manifests = graph({0: (), 1: (), 3: (2, 1)})  # 2, which would name 0, is missing
    seen: set[Digest] = set()
    assert [found for found, _ in walk([digest(3)], manifests.get, seen)] == [digest(1), digest(3)]
    assert seen == {digest(1), digest(2), digest(3)}


def test_walks_that_share_what_was_seen_give_each_manifest_once() -> None:
    manifests = graph({0: (), 1: (0,), 2: (0,)})
    seen: set[Digest] = set()
    first = [found for found, _ in walk([digest(1)], manifests.get, seen)]
    second = [found for found, _ in walk([digest(2)], manifests.get, seen)]
    assert (first, second) == ([digest(0), digest(1)], [digest(2)])


def test_an_error_of_the_reader_ends_the_walk() -> None:
    with pytest.raises(KeyError):
        list(walk([digest(1)], graph({1: (0,)}).__getitem__))


def test_indexes_as_deep_as_their_maker_likes() -> None:
    depth = 5000
    manifests = graph({number: (number - 1,) if number else () for number in range(depth)})
    assert len(list(walk([digest(depth - 1)], manifests.get))) == depth


def test_complete_leaves_out_what_lacks_something_below() -> None:
    manifests = graph({0: (), 2: (1,), 3: (2,), 4: (0,)})
    digests = [digest(number) for number in range(5)]
    assert set(complete(digests, manifests.get)) == {digest(0), digest(4)}
