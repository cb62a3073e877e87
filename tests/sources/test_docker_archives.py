"""Docker archives, whose manifests are made as skopeo makes them."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airpatch.blobs.content import BlobReader, check_blob, pieces
from airpatch.errors import SourceError
from airpatch.model.digest import Digest
from airpatch.sources import docker_archives
from airpatch.sources.gather import Gathered, gather
from tests.sources.sample_sources import IMAGES
from tests.sources.support import tar
from tests.support import encode

LAYERS = (tar(("a", b"one")), tar(("b", b"two")))


def archive(path: Path, tags: list[str] | None, layers: tuple[bytes, ...] = LAYERS, **changes: Any) -> Path:
    """What `docker save` writes, with links for layers that stand there twice."""
    diff_ids = [str(Digest.of(gzip.decompress(x) if x.startswith(b"\x1f\x8b") else x)) for x in layers]
    config = encode({"os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    entry = {"Config": "config.json", "RepoTags": tags, "Layers": names, **changes}
    members = list(zip(names, layers, strict=True))
    path.write_bytes(tar(("config.json", config), *members, ("manifest.json", encode([entry]))))
    return path


def names(found: Gathered) -> list[str]:
    return [str(image.name) for image in found.release.images]


def test_the_manifest_is_the_one_that_skopeo_makes(tmp_path: Path) -> None:
    path, copied = tmp_path / "x.tar", tmp_path / "copied"
    image = f"dir:{IMAGES}/infra/settings:r1"
    subprocess.run(["skopeo", "copy", "-q", image, f"docker-archive:{path}:infra/settings:r1"], check=True)
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{path}", f"dir:{copied}"], check=True)
    found = gather([str(path)])
    (image_found,) = found.release.images
    assert str(image_found.name) == "docker.io/infra/settings:r1"
    assert found.manifests[image_found.manifest] == (copied / "manifest.json").read_bytes()
    for blob in found.release.blobs:
        if not blob.is_manifest:
            check_blob(found.content, blob.digest, blob.size)
            assert (copied / blob.digest.hex).stat().st_size == blob.size
    (remark,) = found.remarks
    assert "their digests differ from those of the images in a registry" in remark


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_a_compressed_archive_gives_the_same(compress: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", ["shop/web:1"])
    expected = gather([f"docker-archive:{path}"])
    subprocess.run([compress, "-q", path], check=True)
    (packed,) = tmp_path.glob("x.tar.*")
    assert gather([str(packed)]).release == expected.release


def test_all_tags_of_an_image_are_packed(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", ["shop/web:1", "localhost:5000/web:2"])
    assert names(gather([str(path)])) == ["localhost:5000/web:2", "shop/web:1"]


def test_an_image_without_a_tag_can_be_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", None)
    with pytest.raises(SourceError, match=r"image 0: has no tag \(RepoTags\); name it with --tag sha256:"):
        gather([str(path)])
    assert names(gather([str(path)], tags=["shop/web:1"])) == ["shop/web:1"]


def test_compressed_layers_stay_as_they_are(tmp_path: Path) -> None:
    packed = gzip.compress(LAYERS[0], mtime=0)
    found = gather([str(archive(tmp_path / "x.tar", ["shop/web:1"], (packed, LAYERS[1])))])
    assert {Digest.of(packed), Digest.of(LAYERS[1])} <= {blob.digest for blob in found.release.blobs}
    check_blob(found.content, Digest.of(packed), len(packed))


def test_a_compressed_layer_is_hashed_once_however_often_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(LAYERS[0], mtime=0)
    path = archive(tmp_path / "x.tar", ["shop/web:1"], (packed, packed, packed), Layers=["0/layer.tar"] * 3)
    hashed: list[int] = []

    def counting(reader: BlobReader, size: int) -> Iterator[memoryview]:
        hashed.append(size)
        return pieces(reader, size)

    monkeypatch.setattr(docker_archives, "pieces", counting)
    assert names(gather([str(path)])) == ["shop/web:1"]
    assert hashed == [len(packed)]


def test_links_between_layers_are_followed(tmp_path: Path) -> None:
    diff_ids = [str(Digest.of(LAYERS[0]))] * 2
    path = tmp_path / "x.tar"
    entry = {"Config": "c", "RepoTags": ["web:1"], "Layers": ["0/layer.tar", "1/layer.tar"]}
    path.write_bytes(
        tar(
            ("c", encode({"rootfs": {"diff_ids": diff_ids}})),
            ("0/layer.tar", LAYERS[0]),
            ("1/layer.tar", "../0/layer.tar"),
            ("manifest.json", encode([entry])),
        )
    )
    found = gather([str(path)])
    check_blob(found.content, Digest.of(LAYERS[0]), len(LAYERS[0]))


def test_the_layout_in_an_archive_of_docker_25_says_more(tmp_path: Path) -> None:
    layout, path = tmp_path / "layout", tmp_path / "x.tar"
    image = f"dir:{IMAGES}/infra/settings:r1"
    subprocess.run(["skopeo", "copy", "-q", image, f"oci:{layout}:infra/settings:r1"], check=True)
    (layout / "manifest.json").write_text('[{"Config": "x", "RepoTags": null, "Layers": null}]')
    subprocess.run(["tar", "-C", layout, "-cf", path, "."], check=True)
    expected = gather([f"oci:{layout}"]).release
    assert gather([str(path)]).release == expected
    assert gather([f"docker-archive:{path}"]).release == expected


def test_an_empty_layout_in_an_archive_of_docker_25_says_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", ["shop/web:1"])
    (tmp_path / "oci-layout").write_text("{}")
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":null}')
    subprocess.run(["tar", "-C", tmp_path, "-rf", path, "oci-layout", "index.json"], check=True)
    assert names(gather([str(path)])) == ["shop/web:1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Layers": ["0/layer.tar"]}, "has 1 layer, but its config has 2"),
        ({"Layers": None}, "has 0 layers, but its config has 2"),
        ({"Layers": ["0/layer.tar", "nowhere"]}, "nowhere: is missing, or cannot be read"),
        ({"Layers": ["0/layer.tar", "../../etc/passwd"]}, "is missing, or cannot be read"),
        ({"Config": "nowhere"}, "nowhere: is missing"),
        ({"Config": "0/layer.tar"}, "0/layer.tar: is not JSON"),
        ({"RepoTags": ["Shop:1"]}, "image 0: not a valid repository name: 'Shop'"),
        ({"RepoTags": ["shop/web"]}, "image 0: no tag in the image name"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", ["shop/web:1"], **changes)
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    assert any(message in finding for finding in caught.value.findings)


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"", b'[{"Layers": "x"}]', b"[" * 1000])
def test_a_broken_list_of_images_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar(("manifest.json", content)))
    with pytest.raises(SourceError, match=r"x\.tar:manifest\.json: "):
        gather([str(path)])


def test_an_empty_list_names_no_image(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(tar(("manifest.json", json.dumps([]).encode())))
    with pytest.raises(SourceError, match="names no image"):
        gather([str(path)])


def test_27_a_layer_that_is_not_what_its_diff_id_says_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.tar", ["shop/web:1"])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"one", b"eno"))
    found = gather([str(path)])
    with pytest.raises(Exception, match="has the digest"):
        check_blob(found.content, Digest.of(LAYERS[0]), len(LAYERS[0]))
