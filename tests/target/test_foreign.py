"""Roots that others use too: what distribution itself takes and leaves is no obstacle, and nothing of it is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.errors import IntegrityError
from airpatch.format import inventories, registry
from airpatch.model.digest import Digest
from airpatch.report.root_report import report_root
from airpatch.target.audit import audit_root
from airpatch.target.pruning import prune_root
from airpatch.target.root import Root, open_root
from airpatch.target.state import receipts
from airpatch.target.stocktaking import take_inventory
from tests.support import execution
from tests.target.support import STORAGE, Sample, blob_file, install, outside, put

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REPOSITORY = "other/app"
LAYER, CACHE, CONFIG = b"a layer", b'{"layers": []}', b'{"architecture": "amd64", "os": "linux"}'


def descriptor(content: bytes, media_type: str = "application/octet-stream") -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def document(**fields: object) -> bytes:
    return json.dumps({"schemaVersion": 2, **fields}).encode()


IMAGE = document(mediaType=OCI_MANIFEST, config=descriptor(CONFIG, "application/json"), layers=[descriptor(LAYER)])
FOREIGN = {
    "build cache": (
        document(mediaType=OCI_INDEX, manifests=[descriptor(LAYER), descriptor(CACHE, "application/vnd.buildkit.v0")]),
        [LAYER, CACHE],
    ),
    "schema 1": (
        json.dumps({"schemaVersion": 1, "fsLayers": [{"blobSum": str(Digest.of(LAYER))}]}, indent=3).encode(),
        [LAYER],
    ),
    "layers null": (document(mediaType=OCI_MANIFEST, config=descriptor(CONFIG), layers=None), [CONFIG]),
    "no layers": (document(mediaType=OCI_MANIFEST, config=descriptor(CONFIG)), [CONFIG]),
    "an artifact": (
        document(mediaType="application/vnd.example.artifact.v1+json", blobs=[descriptor(LAYER)]),
        [LAYER],
    ),
    "an artifact of an image": (
        document(mediaType="application/vnd.example.list.v1+json", parts=[descriptor(IMAGE)]),
        [IMAGE, CONFIG, LAYER],
    ),
    "a sparse index": (
        document(
            mediaType=OCI_INDEX,
            manifests=[descriptor(IMAGE, OCI_MANIFEST), descriptor(b"never pulled", OCI_MANIFEST)],
        ),
        [IMAGE, CONFIG, LAYER],
    ),
}


def link(root: Path, place: str, digest: Digest) -> None:
    put(root / registry.REPOSITORIES / REPOSITORY / place / "sha256" / digest.hex / "link", str(digest))


def push(root: Path, manifest: bytes, blobs: list[bytes]) -> set[Digest]:
    """Store what a registry stores; returns what has to stay."""
    for blob in (manifest, *blobs):
        put(blob_file(root, Digest.of(blob)), blob)
        link(root, "_manifests/revisions" if blob in (manifest, IMAGE) else "_layers", Digest.of(blob))
    tag = root / registry.REPOSITORIES / REPOSITORY / "_manifests/tags/t"
    digest = Digest.of(manifest)
    put(tag / "index/sha256" / digest.hex / "link", str(digest))
    put(tag / "current/link", str(digest))
    return {Digest.of(blob) for blob in (manifest, *blobs)}


def findings(root: Path) -> tuple[str, ...]:
    with Root(root) as opened:
        verified = audit_root(opened, execution(1))
    return (*verified.findings, *verified.obstacles)


def test_an_inventory_of_what_others_pushed_names_no_release(root: Path) -> None:
    stays = push(root, *FOREIGN[next(iter(FOREIGN))])
    with open_root(root) as opened:
        inventory = take_inventory(opened)
    assert (inventory.name, inventory.repositories, inventory.sequence) == ("", (), 0)
    assert inventory.blobs.keys() >= stays


@pytest.mark.parametrize("kind", FOREIGN)
def test_commands_work_beside_manifests_that_airpatch_does_not_pack(
    root: Path, r1: Sample, r2: Sample, kind: str
) -> None:
    manifest, blobs = FOREIGN[kind]
    stays = push(root, manifest, blobs)
    theirs = {path: content for path, content in outside(root).items() if REPOSITORY in path}
    install(root, r1.full, r2.full)
    assert findings(root) == ()
    with open_root(root) as opened:
        inventory = take_inventory(opened)
        assert inventories.parse(inventories.emit(inventory)) == inventory
        assert inventory.blobs.keys() >= stays
        assert report_root(opened).blobs.keys() >= stays
        pruned = prune_root(opened, 1)
        assert [receipt.release.name for receipt in pruned.forgotten] == ["r1"]
        assert set(receipts(opened)) == {r2.id}
    assert all(blob_file(root, digest).exists() for digest in stays)
    assert {path: content for path, content in outside(root).items() if REPOSITORY in path} == theirs
    assert findings(root) == ()


def test_content_that_only_a_foreign_manifest_names_stays_when_its_release_is_forgotten(
    root: Path, r1: Sample, r2: Sample
) -> None:
    """Without a layer link of its own: the manifest names a blob of the forgotten release."""
    blob = next(b for b in r1.release.blobs if b not in r2.release.blobs and not b.is_manifest)
    install(root, r1.full, r2.full)
    push(root, document(mediaType="application/vnd.example.v1+json", config={"digest": str(blob.digest)}), [])
    with Root(root) as opened:
        assert blob not in prune_root(opened, 1).blobs
    assert blob_file(root, blob.digest).exists()


def put_everywhere(root: Path, _: str) -> None:
    for folder in list((root / STORAGE).rglob("*")):
        if folder.is_dir():
            put(folder / ".DS_Store", "x")


LEFT: dict[str, Callable[[Path, str], None]] = {
    "a revision deleted through the registry": lambda root, hex_: (
        root / registry.REPOSITORIES / "shop/web/_manifests/revisions/sha256" / hex_
    ).mkdir(),
    "a tag deleted through the registry": lambda root, hex_: put(
        root / registry.REPOSITORIES / f"shop/web/_manifests/tags/old/index/sha256/{hex_}/link", f"sha256:{hex_}"
    ),
    "a layer link of a deleted repository": lambda root, hex_: put(
        root / registry.REPOSITORIES / f"gone/_layers/sha256/{hex_}/link", f"sha256:{hex_}"
    ),
    "a revision whose blob was collected": lambda root, hex_: put(
        root / registry.REPOSITORIES / f"shop/web/_manifests/revisions/sha256/{hex_}/link", f"sha256:{hex_}"
    ),
    "an empty folder of a blob": lambda root, hex_: (root / registry.BLOBS / "sha256" / hex_[:2] / hex_).mkdir(
        parents=True
    ),
    "files of a desktop": put_everywhere,
    "uploads": lambda root, _: put(root / registry.REPOSITORIES / "shop/web/_uploads/12/startedat", "x"),
}


@pytest.mark.parametrize("what", LEFT)
def test_commands_work_beside_what_others_leave_behind(root: Path, r1: Sample, r2: Sample, what: str) -> None:
    install(root, r1.full)
    LEFT[what](root, Digest.of(b"deleted").hex)
    assert findings(root) == ()
    install(root, r2.full)
    with open_root(root) as opened:
        take_inventory(opened)
        report_root(opened)
        prune_root(opened, 1)
        assert set(receipts(opened)) == {r2.id}
    assert findings(root) == ()


def test_a_damaged_manifest_is_refused_by_repository_and_tag_with_a_way_out(root: Path, r1: Sample, r2: Sample) -> None:
    push(root, IMAGE, [CONFIG, LAYER])
    install(root, r1.full, r2.full)
    before = outside(root)
    path = blob_file(root, Digest.of(IMAGE))
    path.write_bytes(IMAGE + b" ")
    with Root(root) as opened, pytest.raises(IntegrityError, match=r"other/app:t is damaged.*push or apply") as caught:
        prune_root(opened, 1)
    assert str(Digest.of(IMAGE)) in caught.value.message
    path.write_bytes(IMAGE)
    assert outside(root) == before


def test_what_cannot_be_looked_at_is_not_called_right(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    (root / registry.REPOSITORIES / "loop").symlink_to("loop")
    os.mkfifo(root / registry.REPOSITORIES / "fifo")
    with Root(root) as opened:
        verified = audit_root(opened, execution(1))
    assert verified.findings == ()
    assert sorted(line.rpartition("/")[2].partition(":")[0] for line in verified.obstacles) == ["fifo", "loop"]
