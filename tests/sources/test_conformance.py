"""What holds for every kind of source: same images, same release, same bytes; every defect is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airpatch.blobs.content import check_blob
from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.sources.gather import gather
from tests.sources.conftest import Trees
from tests.sources.sample_sources import FOLDERS, IMAGES, KINDS, Kind, pack
from tests.support import Builder

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
folders = pytest.mark.parametrize("kind", FOLDERS, ids=lambda kind: kind.name)


def source(kind: Kind, tree: Path, tmp_path: Path) -> Path:
    path = tmp_path / "source"
    kind.make(tree, path)
    return path


def parts(image: str) -> tuple[Digest, Digest, Digest]:
    """Manifest, config and last layer of a sample image; no other image has these layers."""
    content = (IMAGES / image / "manifest.json").read_bytes()
    config, *_, layer = parse_manifest(content).blobs
    return Digest.of(content), config.digest, layer.digest


@kinds
def test_same_images_give_the_same_bundle(kind: Kind, tmp_path: Path) -> None:
    expected = gather([str(IMAGES)])
    found = gather([str(source(kind, IMAGES, tmp_path))])
    assert found.release == expected.release
    assert found.manifests == expected.manifests
    assert pack(found) == pack(expected)


@kinds
def test_the_sample_has_everything_that_images_can_have(kind: Kind, tmp_path: Path) -> None:
    found = gather([str(source(kind, IMAGES, tmp_path))])
    signed = {str(image.name): len(image.signatures) for image in found.release.images if image.signatures}
    assert signed == {"proxy:r1": 2, "shop/web:r1": 2}
    assert {"registry.example:5000/shop/web:r1", "infra/extra/deep/tools:r1"} <= {
        str(i.name) for i in found.release.images
    }
    for blob in found.release.blobs:
        if not blob.is_manifest:
            assert found.content.size(blob.digest) == blob.size
            check_blob(found.content, blob.digest, blob.size)
    with pytest.raises(SourceError):
        found.content.open(Digest.of(b"elsewhere"), 9)
    assert found.content.size(Digest.of(b"elsewhere")) is None


@kinds
def test_images_can_be_picked(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    images = tmp_path / "images-list.txt"
    images.write_text(
        "# the product\r\n\r\nregistry.local/shop/worker:stable  # moved\r\ndocker://infra/settings:r1\r\n"
    )
    found = gather([str(path)], images_list=images)
    assert [str(image.name) for image in found.release.images] == ["infra/settings:r1", "shop/worker:stable"]
    found = gather([str(path)], picks=["shop/worker", "proxy:r1"])
    assert [str(i.name) for i in found.release.images] == ["proxy:r1", "shop/worker:r1", "shop/worker:stable"]


@folders
def test_every_missing_blob_is_named_with_its_image(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    missing = {}
    for image in ("infra/settings:r1", "tools/packaging:r1"):
        _, config, layer = parts(image)
        for digest in (config, layer):
            (path / kind.blob(image, digest)).unlink()
        missing[image] = (f"config {config}", f"layer {layer}")
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    for image, blobs in missing.items():
        for blob in blobs:
            assert any(re.match(f"{image}: {blob}: .*: is missing$", f) for f in caught.value.findings)


@folders
def test_a_blob_of_another_size_is_named(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    _, _, layer = parts("infra/settings:r1")
    blob = path / kind.blob("infra/settings:r1", layer)
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(SourceError, match=f"infra/settings:r1: layer {layer}: .* bytes, not"):
        gather([str(path)])


@folders
@pytest.mark.parametrize("position", [0, 100, -1])
def test_27_wrong_bytes_are_found_when_the_bundle_is_written(kind: Kind, position: int, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    _, _, layer = parts("infra/settings:r1")
    flip(path / kind.blob("infra/settings:r1", layer), position)
    with pytest.raises(SourceError) as caught:
        pack(gather([str(path)]))
    assert len(caught.value.findings) == 1
    assert caught.value.findings[0].startswith(f"infra/settings:r1: content of {layer} has the digest")


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@folders
def test_wrong_bytes_are_reported_together_with_other_findings(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    _, _, layer = parts("infra/settings:r1")
    flip(path / kind.blob("infra/settings:r1", layer), 50)
    _, config, _ = parts("tools/packaging:r1")
    (path / kind.blob("tools/packaging:r1", config)).unlink()
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    assert [finding.split(":")[0] for finding in caught.value.findings] == ["tools/packaging", "infra/settings"]


def replace_manifest(kind: Kind, path: Path, image: str, content: bytes) -> Digest:
    """Have the tag `image` point to the manifest `content`."""
    digest = Digest.of(content)
    old, _, _ = parts(image)
    if kind.name == "dir":
        (path / image / "manifest.json").write_bytes(content)
        return digest
    blob = path / kind.blob(image, digest)
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    if kind.name == "registry":
        repository, tag = image.rsplit(":", 1)
        folder = path / "docker/registry/v2/repositories" / repository / "_manifests/tags" / tag
        (folder / "current/link").write_text(str(digest))
    else:
        index = path / "index.json"
        document = json.loads(index.read_text())
        for entry in document["manifests"]:
            if entry["digest"] == str(old):
                entry.update(digest=str(digest), size=len(content))
        index.write_text(json.dumps(document))
    return digest


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"schemaVersion": 1, "fsLayers": []}', "a manifest of Docker's old schema 1"),
        (b'{"schemaVersion": 2, "mediaType": "application/json"}', "unknown manifest type"),
    ],
    ids=["schema 1", "another type"],
)
@folders
def test_unknown_manifest_types_are_named(kind: Kind, content: bytes, what: str, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    digest = replace_manifest(kind, path, "infra/settings:r1", content)
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    assert any(f.startswith(f"infra/settings:r1: manifest {digest}: {what}") for f in caught.value.findings)


def child_manifest(kind: Kind, path: Path, child: Digest) -> Path:
    blob = path / kind.blob("proxy:r1", child)
    return blob if kind.name != "dir" else blob.with_name(f"{child.hex}.manifest.json")


@folders
def test_31_missing_platforms_are_one_finding(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    children = parse_manifest((IMAGES / "proxy:r1/manifest.json").read_bytes()).manifests
    for child in children[1:]:
        child_manifest(kind, path, child.digest).unlink()
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    (finding,) = [found for found in caught.value.findings if "platforms" in found]
    platforms = ", ".join(child.platform for child in children[1:])
    assert len(children) == 2
    assert finding.startswith(f"proxy:r1: 1 of 2 platforms is not here: {platforms}. Copy all of them ")
    assert not [found for found in caught.value.findings if found.startswith("proxy:r1: manifest")]


@folders
def test_a_platform_without_any_of_its_blobs_is_missing_too(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    children = parse_manifest((IMAGES / "proxy:r1/manifest.json").read_bytes()).manifests
    parsed = [parse_manifest(child_manifest(kind, path, child.digest).read_bytes()) for child in children]
    shared = {blob.digest for blob in parsed[0].blobs}
    for blob in parsed[1].blobs:
        assert blob.digest not in shared
        (path / kind.blob("proxy:r1", blob.digest)).unlink()
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    (finding,) = [found for found in caught.value.findings if found.startswith("proxy:r1: ")]
    assert f"1 of {len(children)} platforms is not here: {children[1].platform}. " in finding


@folders
def test_wrong_bytes_of_a_child_manifest_are_named(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    child = parse_manifest((IMAGES / "proxy:r1/manifest.json").read_bytes()).manifests[1].digest
    blob = path / kind.blob("proxy:r1", child)
    flip(blob if kind.name != "dir" else blob.with_name(f"{child.hex}.manifest.json"), 30)
    with pytest.raises(SourceError, match=f"proxy:r1: manifest {child}: content of {child} has the digest"):
        gather([str(path)])


@folders
def test_foreign_layers_without_content_are_explained(kind: Kind, trees: Trees, tmp_path: Path) -> None:
    builder = Builder()
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    builder.tag("windows/app:r1", builder.picture([b"base of windows"], layer_type=foreign))
    path = source(kind, trees.make("tree", builder), tmp_path)
    assert gather([str(path)]).release.size
    layer = Digest.of(b"base of windows")
    (path / kind.blob("windows/app:r1", layer)).unlink()
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    [finding] = caught.value.findings
    assert finding.startswith(f"windows/app:r1: layer {layer} is missing: it is foreign ({foreign})")
    assert "skopeo copy" in finding


@pytest.mark.parametrize("kind", [kind for kind in FOLDERS if kind.name != "oci"], ids=lambda kind: kind.name)
def test_18_a_blob_that_is_a_symbolic_link_is_refused(kind: Kind, tmp_path: Path) -> None:
    path = source(kind, IMAGES, tmp_path)
    _, config, _ = parts("infra/settings:r1")
    blob = path / kind.blob("infra/settings:r1", config)
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="symbolic link"):
        gather([str(path)])


@folders
@pytest.mark.parametrize("replacement", ["folder", "fifo"])
def test_29_a_blob_that_is_no_file_is_refused(kind: Kind, replacement: str, tmp_path: Path) -> None:
    import os

    path = source(kind, IMAGES, tmp_path)
    _, config, _ = parts("infra/settings:r1")
    blob = path / kind.blob("infra/settings:r1", config)
    blob.unlink()
    blob.mkdir() if replacement == "folder" else os.mkfifo(blob)
    with pytest.raises(SourceError, match=rf"infra/settings:r1: config {config}"):
        gather([str(path)])
