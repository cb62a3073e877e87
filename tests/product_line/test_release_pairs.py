"""Which pairs of releases are meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airpatch.errors import UsageError
from airpatch.product_line.release_pairs import ReleasePair, choose_pairs, places_in
from airpatch.store.release_store import ReleaseStore, StoredRelease
from tests.support import execution


def names(pairs: list[ReleasePair]) -> list[str]:
    return [f"{each.base.release.name}-{each.target.release.title}" for each in pairs]


def test_the_last_releases_of_each_product(line: ReleaseStore) -> None:
    found = line.releases()
    assert names(choose_pairs(found, "", ["r3"], last=2)) == [
        "r1-r3 of amd64", "r2-r3 of amd64", "r1-r3 of arm64", "r2-r3 of arm64",
    ]  # fmt: skip
    assert names(choose_pairs(found, "", ["r3"], last=1, product="arm64")) == ["r2-r3 of arm64"]
    assert names(choose_pairs(found, "", ["r2", "r3"], last=1, product="arm64")) == ["r1-r2 of arm64", "r2-r3 of arm64"]
    assert names(choose_pairs(found, "", ["r2", "r2"], last=9, product="arm64")) == ["r1-r2 of arm64"]


def test_releases_by_name_and_id(line: ReleaseStore) -> None:
    found = line.releases()
    assert names(choose_pairs(found, "", ["r3"], ["r1"])) == ["r1-r3 of amd64", "r1-r3 of arm64"]
    target = next(each for each in found if each.release.title == "r2 of arm64")
    for beginning in (target.id.hex[:12], target.id.hex[:4], str(target.id)[:11]):
        assert names(choose_pairs(found, "", [beginning], ["r3"])) == ["r3-r2 of arm64"]
    base = next(each for each in found if each.release.title == "r3 of arm64")
    assert names(choose_pairs(found, "", ["r2"], [base.id.hex[:4]])) == ["r3-r2 of arm64"]
    with pytest.raises(UsageError, match=r"has no release '...'"):
        choose_pairs(found, "", [target.id.hex[:3]], ["r3"])


def test_a_name_comes_before_the_beginning_of_an_id(line: ReleaseStore) -> None:
    found = line.releases()
    r1, r2, r3 = (each for each in found if each.release.product == "arm64")
    named = StoredRelease(r2.id, replace(r2.release, name=r3.id.hex[:6]))
    assert names(choose_pairs([r1, named, r3], "", [r3.id.hex[:6]], ["r1"])) == [f"r1-{named.release.title}"]


@pytest.mark.parametrize(
    ("to", "bases", "last", "product", "message"),
    [
        (["r4"], [], 1, None, "has no release 'r4'"),
        (["r3"], ["r0"], 0, None, "has no release 'r0'"),
        (["r3"], [], 1, "mips", "has no release 'r3'"),
        (["r1"], [], 3, "arm64", r"has a lower sequence number(?s:.*)r1 of product arm64, number 1$"),
        (
            ["r1"],
            ["r1"],
            0,
            "arm64",
            r"no other release of the same product is called r1(?s:.*)r1 of product arm64, number 1$",
        ),
    ],
)
def test_what_there_is_not(
    line: ReleaseStore, to: list[str], bases: list[str], last: int, product: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose_pairs(line.releases(), "", to, bases, last, product)


def test_a_pair_is_what_a_diff_sees(line: ReleaseStore) -> None:
    (pair,) = choose_pairs(line.releases(), "", ["r3"], ["r2"], product="amd64")
    new, old = pair.layers()
    assert len(new) == 3
    assert {blob.digest for blob in pair.base.release.blobs} >= {blob.digest for blob in old}
    assert [blob.size for blob in old] == sorted((blob.size for blob in old), reverse=True)


def test_places_are_those_of_the_images(line: ReleaseStore) -> None:
    (each, *_) = line.releases()
    places = places_in(line, [each], execution())[each.id]
    assert {name for place in places.values() for name in place.repositories} == {"shop/web"}
    assert {number for place in places.values() for number in place.positions} == {0, 1, 2, 3, 4}
