"""The files of restored images: names, and the order in which they take their places."""

from __future__ import annotations

import json

from airpatch.destinations.forms import FilePart, FolderPart, Wanted, dir_parts, oci_parts
from airpatch.model.digest import Digest
from tests.support import Builder


def sample() -> Builder:
    builder = Builder()
    child = builder.picture([b"layer"])
    builder.tag("shop/web:r1", builder.index([child]), {child: [b"signature"]})
    builder.tag("db:r1", builder.picture([b"layer", b"other"]))
    return builder


def test_folders_as_skopeo_writes_them() -> None:
    builder = sample()
    web, db = dir_parts(builder.images, builder.manifests)
    (child,) = json.loads(builder.manifests[builder.images[0].manifest])["manifests"]
    prefix = child["digest"].removeprefix("sha256:")
    assert web.path == "shop/web:r1"
    assert {"version", "manifest.json", f"{prefix}.manifest.json", f"{prefix}.signature-1"} <= web.files.keys()
    assert db.files[Digest.of(b"other").hex] == Wanted(Digest.of(b"other"), 5)


def test_a_layout_whose_index_comes_last() -> None:
    builder = sample()
    parts = oci_parts(builder.images, builder.manifests)
    first, last = parts[0], parts[-1]
    assert (first.path, last.path) == ("oci-layout", "index.json")
    assert isinstance(last, FilePart)
    assert isinstance(last.file, bytes)
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in json.loads(last.file)["manifests"]]
    assert names == ["db:r1", "shop/web:r1"]
    blobs = {part.path: part for part in parts if isinstance(part, FilePart)}
    shared = blobs[f"blobs/sha256/{Digest.of(b'layer').hex}"]
    assert shared.images == tuple(image.name for image in builder.images)
    assert any(isinstance(part, FolderPart) and "signature-1" in part.files for part in parts)


def test_other_entries_of_a_layout_stay() -> None:
    builder = sample()
    other = {"digest": "sha256:" + 64 * "0", "annotations": {"org.opencontainers.image.ref.name": "other:r1"}}
    old = {"digest": "sha256:" + 64 * "1", "annotations": {"org.opencontainers.image.ref.name": "db:r1"}}
    last = oci_parts(builder.images, builder.manifests, [other, old])[-1]
    assert isinstance(last, FilePart)
    assert isinstance(last.file, bytes)
    entries = json.loads(last.file)["manifests"]
    assert other in entries
    assert old not in entries
