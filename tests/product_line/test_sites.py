"""Sites get the smallest chain from any release that they have all of, and never an older one on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import FormatError, UsageError
from airpatch.format.inventories import Inventory, Request, emit
from airpatch.layers.versions import known_features
from airpatch.model.digest import Digest
from airpatch.model.release import Blob, Release
from airpatch.product_line.planning import PlannedPair
from airpatch.product_line.release_pairs import ReleasePair
from airpatch.product_line.sites import Site, SiteWay, site_ways
from airpatch.product_line.smallest_chains import PatchChain
from airpatch.store.release_store import ReleaseStore, StoredRelease
from tests.product_line.conftest import path_of
from tests.support import execution


def release(number: int, product: str = "shop") -> StoredRelease:
    """A release with a blob of its own, and one that all have."""
    own = Blob(Digest.of(b"%s %d" % (product.encode(), number)), 10 + number, "layer")
    blobs = (own, Blob(Digest.of(b"shared"), 5, "layer"))
    return StoredRelease(
        Digest.of(b"id %s %d" % (product.encode(), number)), Release(f"r{number}", number, (), blobs, product)
    )


FOUND = [release(number) for number in range(5)]


def site(*releases: StoredRelease) -> Site:
    blobs = {blob.digest: blob.size for each in releases for blob in each.release.blobs}
    return Site("oslo", Inventory("", (), blobs))


def planned(graph: dict[tuple[int, int], int]) -> list[PlannedPair]:
    return [PlannedPair(ReleasePair(FOUND[a], FOUND[b]), 1, 1, size, 99) for (a, b), size in graph.items()]


def ends(of: PlannedPair) -> tuple[int, int]:
    return of.pair.base.release.sequence, of.pair.target.release.sequence


def ways(at: Site, pairs: list[PlannedPair]) -> list[SiteWay]:
    return site_ways([at], FOUND, [each.pair.target for each in pairs], pairs)


def way(at: Site, pairs: list[PlannedPair]) -> tuple[list[int], int] | str:
    """The numbers of the releases of the only chain, and its bytes; the remark where there is none."""
    (found,) = ways(at, pairs)
    if found.chain is None:
        return found.remark
    assert not found.remark
    return [each.release.sequence for each in found.chain.releases], found.chain.bytes


GRAPH = {(0, 2): 9, (0, 1): 4, (1, 2): 4}


@pytest.mark.parametrize(
    ("has", "graph", "expected"),
    [
        pytest.param([0], {(0, 2): 9}, ([0, 2], 9), id="direct"),
        pytest.param([0], {(0, 2): 9, (0, 1): 4, (1, 2): 4}, ([0, 1, 2], 8), id="by way of another"),
        pytest.param([0, 1], {(0, 2): 3, (1, 2): 5}, ([0, 2], 3), id="from an older one that is there"),
        pytest.param([0, 1], {(0, 2): 5, (1, 2): 5}, ([1, 2], 5), id="of equal ones from the newest"),
        pytest.param(
            [0, 2], {(0, 3): 9, (2, 3): 7, (0, 1): 1, (1, 3): 1}, ([2, 3], 7), id="by way of none that is older"
        ),
        pytest.param([0, 2], {(0, 2): 9}, ([2], 0), id="up to date"),
        pytest.param([3], {(0, 2): 9}, "has r3, which is not older than r2", id="newer"),
        pytest.param([0], {(1, 2): 9}, "has r0, which is not older than r2", id="none leads on"),
    ],
)
def test_the_smallest_way(
    has: list[int], graph: dict[tuple[int, int], int], expected: tuple[list[int], int] | str
) -> None:
    assert way(site(*(FOUND[number] for number in has)), planned(graph)) == expected


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param(("encoder zlib-6", "view gzip"), ([0, 1, 2], 8), id="all"),
        pytest.param(("view gzip",), ([0, 2], 9), id="only those of the larger way"),
        pytest.param(
            (), "airpatch 0.1 there does not know encoder zlib-6, view gzip, which the patches to r2 need", id="none"
        ),
    ],
)
def test_the_airpatch_of_a_site_can_carry_out_its_patches(
    features: tuple[str, ...], expected: tuple[list[int], int] | str
) -> None:
    at = site(FOUND[0])
    there = Site("oslo", replace(at.inventory, version="0.1", features=features))
    needs = {(0, 1): "encoder zlib-6", (1, 2): "view gzip", (0, 2): "view gzip"}
    pairs = [replace(each, missing=0, features=frozenset({needs[ends(each)]})) for each in planned(GRAPH)]
    assert way(there, pairs) == expected if isinstance(expected, tuple) else str(way(there, pairs)).startswith(expected)
    assert way(at, pairs) == ([0, 1, 2], 8)  # says nothing of its airpatch


def test_what_is_not_made_yet_may_need_what_the_airpatch_of_a_site_has_not() -> None:
    older = replace(site(FOUND[0]).inventory, version="0.1", features=("view gzip",))
    (found,) = ways(Site("oslo", older), planned(GRAPH))
    assert found.chain is not None
    assert found.remark.startswith("2 layer patches may need what airpatch 0.1 there does not know")
    newest = replace(older, features=tuple(sorted(known_features())))
    (found,) = ways(Site("oslo", newest), planned(GRAPH))
    assert found.chain is not None
    assert not found.remark


def test_a_release_of_which_a_blob_is_missing_is_not_there() -> None:
    blobs = dict(site(FOUND[1]).inventory.blobs)
    blobs[FOUND[1].release.blobs[0].digest] += 1
    (found,) = ways(Site("oslo", Inventory("r1", (), blobs, "shop", 1)), planned({(1, 2): 9}))
    assert (found.has, found.chain, found.product) == (None, None, "shop")
    assert "airpatch diff --base oslo" in found.remark


def test_a_site_with_two_products_gets_patches_of_both(line: ReleaseStore, tmp_path: Path) -> None:
    """Patches from what it has are planned without being asked for."""
    blobs = {
        blob.digest: blob.size
        for each in line.releases()
        if each.release.name == {"amd64": "r1", "arm64": "r3"}[each.release.product]
        for blob in each.release.blobs
    }
    place = tmp_path / "oslo"
    place.write_bytes(emit(Inventory("", (), blobs)))
    written = airpatch.plan(path_of(line), tmp_path / "plan", to=["r3"], sites=place, execution=execution())
    (pair,) = written.planned.pairs
    one, other = written.sites
    assert (pair.pair.base.release.product, pair.pair.base.release.name) == ("amd64", "r1")
    assert one.chain == written.chains[0]
    assert (other.product, other.chain) == ("arm64", PatchChain((line.choose("r3", "arm64"),), 0, 0))


def test_what_is_no_inventory_is_refused(line: ReleaseStore, tmp_path: Path) -> None:
    def plan(name: str) -> None:
        airpatch.plan(path_of(line), tmp_path / "plan", to=["r3"], sites=[tmp_path / name], execution=execution())

    (tmp_path / "text").write_text("text")
    content = emit(Request("r1", Digest(bytes(32)), {}))
    (tmp_path / "request").write_bytes(content)
    (tmp_path / "damaged").write_bytes(content + b"!")
    for name, message in {"text": "is no inventory", "none": "is no inventory", "request": "is a request"}.items():
        with pytest.raises(UsageError, match=f"{name}: {message}"):
            plan(name)
    with pytest.raises(FormatError):
        plan("damaged")
    with pytest.raises(UsageError, match="nothing says what patches lead from"):
        airpatch.plan(path_of(line), tmp_path / "plan", to=["r3"], execution=execution())
    assert not (tmp_path / "plan").exists()
