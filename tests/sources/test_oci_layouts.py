"""OCI layouts: names of their images, and entries that cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from airpatch.destinations.restorer import Form, restore_images
from airpatch.errors import SourceError
from airpatch.sources.gather import gather
from airpatch.sources.location import CONTAINERD_NAME, REF_NAME
from tests.support import Builder, execution


def layout(path: Path, *images: str) -> Path:
    """A layout of images that differ."""
    builder = Builder()
    for image in images:
        builder.tag(image, builder.picture([image.encode()]))
    restore_images(builder.images, builder.manifests, builder.content, path, execution(), form=Form.OCI)
    return path


def edit(path: Path, **changes: object) -> None:
    """Change fields of all entries of a layout's index; None removes one."""
    index = json.loads((path / "index.json").read_text())
    for entry in index["manifests"]:
        entry.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del entry[key]
    (path / "index.json").write_text(json.dumps(index))


def names(path: Path) -> list[str]:
    return [str(image.name) for image in gather([str(path)]).release.images]


def findings(path: Path) -> tuple[str, ...]:
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    return caught.value.findings


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({REF_NAME: "shop/web:r1"}, "shop/web:r1"),
        ({REF_NAME: "shop/web:r1", CONTAINERD_NAME: "docker.io/shop/web:r1"}, "shop/web:r1"),
        ({REF_NAME: "r1", CONTAINERD_NAME: "docker.io/shop/web:r1"}, "docker.io/shop/web:r1"),
        ({CONTAINERD_NAME: "docker.io/shop/web:r1"}, "docker.io/shop/web:r1"),
        ({REF_NAME: "r2"}, "layout:r2"),
    ],
)
def test_names(annotations: dict[str, str], name: str, tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "x:y")
    edit(path, annotations=annotations)
    assert names(path) == [name]


def test_a_tree_of_layouts(tmp_path: Path) -> None:
    for folder in ("shop", "shop/web", "infra/deep/redis"):
        edit(layout(tmp_path / "tree" / folder, "x:y"), annotations={REF_NAME: "r1"})
    assert names(tmp_path / "tree") == ["infra/deep/redis:r1", "shop:r1", "shop/web:r1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": None}, "an image without a name"),
        ({"annotations": {}}, "an image without a name"),
        ({"annotations": "r1"}, r"manifests\[0\].annotations: an object of strings is expected"),
        ({"annotations": {REF_NAME: 3}}, r"manifests\[0\].annotations: an object of strings is expected"),
        ({"annotations": {REF_NAME: "shop/../web:r1"}}, "not a valid repository name"),
        ({"annotations": {REF_NAME: "a/b"}}, "not a valid tag"),
        ({"digest": "sha256:../../../etc/passwd"}, "not a sha256 digest"),
        ({"digest": "sha512:" + "a" * 128}, "not a sha256 digest"),
        ({"size": True}, "size: an integer of 64 bits is expected"),
        ({"size": 7}, "bytes of application/vnd.oci.image.manifest.v1[+]json, where index.json claims 7"),
        ({"mediaType": "application/vnd.oci.image.index.v1+json"}, "claims [0-9]* bytes of .*index"),
        ({"digest": "sha256:" + "a" * 64}, "is missing"),
    ],
)
def test_bad_entries_are_named(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "shop/web:r1")
    edit(path, **changes)
    with pytest.raises(SourceError, match=message):
        gather([str(path)])


@pytest.mark.parametrize("index", [b"", b"[]", b'{"manifests": 3}', b'{"manifests": [3]}', b"\xff", b"[" * 10**5])
def test_bad_indexes_are_named(index: bytes, tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "shop/web:r1")
    (path / "index.json").write_bytes(index)
    (found,) = findings(path)
    assert found.startswith(f"{path}/index.json: is not the index of an OCI layout: ")


def test_a_layout_without_an_index_is_named(tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "shop/web:r1")
    (path / "index.json").unlink()
    assert findings(path) == (f"{path}/index.json: is missing",)


def test_one_name_for_two_images_is_named(tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "shop/web:r1", "shop/web:r2")
    edit(path, annotations={REF_NAME: "shop/web:r1"})
    (found,) = findings(path)
    assert found.startswith(f"shop/web:r1: is the name of two images in {path}/index.json: sha256:")


def test_manifest_json_of_docker_save_does_not_make_it_a_dir_image(tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "shop/web:r1")
    (path / "manifest.json").write_text('[{"Config": "blobs/sha256/x"}]')
    assert names(path) == ["shop/web:r1"]


def test_signatures_belong_to_the_repository(tmp_path: Path) -> None:
    builder = Builder()
    web = builder.picture([b"layer"])
    builder.tag("shop/web:r1", web, {web: [b"one", b"two"]})
    builder.tag("other/web:r1", web)
    path = tmp_path / "layout"
    restore_images(builder.images, builder.manifests, builder.content, path, execution(), form=Form.OCI)
    assert {str(i.name): len(i.signatures) for i in gather([str(path)]).release.images} == {
        "other/web:r1": 0,
        "shop/web:r1": 2,
    }
    shutil.rmtree(path / ".airpatch")
    assert not any(image.signatures for image in gather([str(path)]).release.images)


@pytest.mark.parametrize("linked", ["blobs", "blobs/sha256"])
def test_a_linked_folder_of_blobs_is_followed(linked: str, tmp_path: Path) -> None:
    path = layout(tmp_path / "layout", "shop/web:r1")
    (path / linked).rename(tmp_path / "elsewhere")
    (path / linked).symlink_to(tmp_path / "elsewhere")
    assert names(path) == ["shop/web:r1"]
