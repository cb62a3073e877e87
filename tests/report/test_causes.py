"""Causes are packages, files that stand out, and what a patch needs itself; each says what happened, in words."""

from __future__ import annotations

import pytest

from airpatch.model.digest import Digest
from airpatch.model.names import ImageName
from airpatch.report.causes import largest_causes
from airpatch.report.cost_shares import CostShare, ShareKind
from airpatch.report.cost_tree import BlobName
from airpatch.report.packed_sizes import PackedSizes
from airpatch.report.release_changes import PackageChange, ReleaseChanges

LAYER, CONFIG = Digest.of(b"layer"), Digest.of(b"config")
WEB, API = ImageName("shop/web", "r2"), ImageName("shop/api", "r2")
NAMES = {LAYER: BlobName("layer", "layer 1 of 1"), CONFIG: BlobName("config", "config")}


def texts(shares: list[CostShare], changes: ReleaseChanges, images: tuple[ImageName, ...] = (WEB,)) -> list[str]:
    taken = sum(each.bytes for each in shares)
    packed = PackedSizes(1000, {LAYER: taken, CONFIG: 7}, 1000 - taken - 7, 0, 0)
    config = [CostShare(ShareKind.WHOLE, "", 7)]
    found = largest_causes(packed, {LAYER: shares, CONFIG: config}, {LAYER: images}, NAMES, changes)
    assert [each.bytes for each in found] == sorted((each.bytes for each in found), reverse=True)
    return [each.text for each in found]


def file(path: str, size: int) -> CostShare:
    return CostShare(ShareKind.FILE, path, size)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (PackageChange("pip", "boto3", "1.34", "1.35", 1000, 3000), "grew by 2.0 kB to 3.0 kB: from 1.34 to 1.35"),
        (PackageChange("pip", "boto3", "1.34", "1.34", 3000, 1000), "shrank by 2.0 kB to 1.0 kB: still 1.34"),
        (PackageChange("pip", "boto3", "1", "2", 3000, 3000), "changed: from 1 to 2, 3.0 kB as before"),
        (PackageChange("pip", "boto3", None, "2", 0, 3000), "is new: 2, 3.0 kB"),
    ],
)
def test_a_package_is_one_cause(change: PackageChange, words: str) -> None:
    changes = ReleaseChanges(
        owners={LAYER: dict.fromkeys(("a", "b.jar"), ("pip", "boto3"))}, packages={("pip", "boto3"): change}
    )
    found = texts([file("a", 200), file("b.jar!x", 300), file("c", 1)], changes, (WEB, API))
    assert found[0] == f"50 % of this patch is boto3 (pip) in shop/web:r2 and 1 other image, which {words}"


def test_files_that_stand_out_and_those_that_do_not() -> None:
    shares = [file("opt/large", 400), *(file(f"opt/many/{number}", 10) for number in range(30)), file("etc/x", 2)]
    changes = ReleaseChanges(new_files={LAYER: frozenset({"opt/large", *(f"opt/many/{n}" for n in range(30))})})
    assert texts(shares, changes)[:2] == [
        "40 % of this patch is opt/large in shop/web:r2, which is new",
        "30 % of this patch is 30 new files in opt/many/ in shop/web:r2",
    ]


@pytest.mark.parametrize("small", ["run", "etc/run"])
def test_a_single_file_that_does_not_stand_out_is_named_all_the_same(small: str) -> None:
    shares = [file("opt/large", 400), file(small, 2)]
    assert f"0.2 % of this patch is {small} in shop/web:r2, which has changed" in texts(shares, ReleaseChanges())


def test_files_within_files_are_named_as_the_map_names_them() -> None:
    shares = [file("opt/a.jar!x/B.class", 400), *(file(f"opt/b.jar!{number}", 10) for number in range(30))]
    assert texts(shares, ReleaseChanges())[:2] == [
        "40 % of this patch is opt/a.jar!/x/B.class in shop/web:r2, which has changed",
        "30 % of this patch is 30 changed files in opt/b.jar!/ in shop/web:r2",
    ]


def test_what_a_patch_needs_itself() -> None:
    shares = [CostShare(kind, "", 100 - number) for number, kind in enumerate(ShareKind) if kind is not ShareKind.FILE]
    found = texts(shares, ReleaseChanges())
    assert found == [
        "41 % of this patch is the index, what the patch says of itself",
        "9.9 % of this patch is what lies between the files of layer 1 of 1 in shop/web:r2",
        "9.8 % of this patch is what the encoder of layer 1 of 1 in shop/web:r2 decided, since it cannot be run again "
        "exactly",
        "9.7 % of this patch is where the members or frames of layer 1 of 1 in shop/web:r2 are, and what lies "
        "between them",
        "9.6 % of this patch is where nested content is in layer 1 of 1 in shop/web:r2",
        "9.5 % of this patch is what frames the patch of layer 1 of 1 in shop/web:r2",
        "9.4 % of this patch is layer 1 of 1 in shop/web:r2, of which no files are known",
        "0.7 % of this patch is manifests and configs of images",
    ]


def test_there_are_ten_at_most() -> None:
    shares = [file(f"{number}", 10) for number in range(20)]
    owners = {each.path: ("npm", each.path) for each in shares}
    assert len(texts(shares, ReleaseChanges(owners={LAYER: owners}))) == 10
