"""Shares add up to what blobs take, and trees to what the patch takes, however many files there are."""

from __future__ import annotations

from collections.abc import Iterator

from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.cost_shares import CostShare, ShareKind, cost_shares
from airpatch.report.cost_tree import MOST_FILES, BlobName, CostNode, cost_tree
from airpatch.report.forecast import BlobCost
from airpatch.report.packed_sizes import PackedSizes

LAYER, SHARED, CONFIG = (Digest.of(bytes([number])) for number in range(3))
WEB, API = ImageName("shop/web", "r2"), ImageName("shop/api", "r2")
IMAGES = {LAYER: (WEB,), CONFIG: (WEB,), SHARED: (WEB, API)}
NAMES = {
    LAYER: BlobName("layer", "layer 2 of 2"),
    SHARED: BlobName("layer", "layer 1 of 2"),
    CONFIG: BlobName("config", "config"),
}


def packed(layer: int) -> PackedSizes:
    return PackedSizes(layer + 60, {LAYER: layer, SHARED: 30, CONFIG: 10}, 12, 0, 8)


def tree(shares: dict[Digest, list[CostShare]], layer: int) -> CostNode:
    found = cost_tree("r2", packed(layer), shares, IMAGES, NAMES)
    assert found.bytes == layer + 60
    for node in nodes(found):
        assert not node.children or node.bytes == sum(child.bytes for child in node.children)
        assert [child.bytes for child in node.children] == sorted(
            (child.bytes for child in node.children), reverse=True
        )
    return found


def nodes(node: CostNode) -> Iterator[CostNode]:
    yield node
    for child in node.children:
        yield from nodes(child)


def named(node: CostNode, *names: str) -> CostNode:
    for name in names:
        (node,) = (child for child in node.children if child.name.startswith(name))
    return node


def test_layers_that_travel_whole_are_shared_out_by_weights() -> None:
    costs = [BlobCost(LAYER, 1000, 1000), BlobCost(SHARED, 30, 30)]
    shares = cost_shares(costs, packed(1000), {LAYER: {"a/b": 3, "a/c": 1, "": 0}})
    assert shares == {
        LAYER: [CostShare(ShareKind.FILE, "a/b", 750), CostShare(ShareKind.FILE, "a/c", 250)],
        SHARED: [CostShare(ShareKind.WHOLE, "", 30)],
    }


def test_images_and_what_they_share_stand_for_themselves() -> None:
    found = tree(
        {LAYER: [CostShare(ShareKind.FILE, "usr/lib/x/a", 70), CostShare(ShareKind.FILE, "usr/lib/x/b", 30)]}, 100
    )
    web = named(found, "shop/web:r2")
    assert (web.kind, web.bytes) == ("image", 110)
    assert named(web, "layer 2 of 2", "usr/lib/x", "a").bytes == 70
    assert named(found, "shared by 2 images: shop/web:r2, shop/api:r2").bytes == 30
    assert {child.kind for child in found.children} == {"image", "images", "index", "frames"}


def test_what_is_nested_in_a_file_lies_beside_it() -> None:
    paths = ["opt/a.jar", "opt/a.jar!x/B.class", "opt/a.jar!x/C.class"]
    layer = named(
        tree({LAYER: [CostShare(ShareKind.FILE, path, 10) for path in paths]}, 30), "shop/web", "layer", "opt"
    )
    assert {child.name for child in layer.children} == {"a.jar", "a.jar!/x"}


def test_many_files_are_counted_and_lose_nothing() -> None:
    shares = [
        CostShare(ShareKind.FILE, f"srv/{number % 7}/{number}", 5 + (number < 10)) for number in range(3 * MOST_FILES)
    ]
    found = tree({LAYER: shares}, sum(each.bytes for each in shares))
    every = list(nodes(found))
    assert sum(node.kind == "file" for node in every) == 10
    assert sum(node.files for node in every) == 3 * MOST_FILES - 10


def test_deep_folders_do_not_nest_for_ever() -> None:
    path = "d/" * 5000 + "file"
    deep = tree({LAYER: [CostShare(ShareKind.FILE, path, 3), CostShare(ShareKind.FILE, "other", 1)]}, 4)
    assert max(node.name.count("/") for node in nodes(deep)) > 4000
