"""Images that a copy began and did not finish are named, never left out in silence."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.errors import SourceError
from airpatch.sources.gather import gather
from tests.sources.conftest import Trees
from tests.sources.sample_sources import IMAGES

HEX = "a" * 64


def findings(path: Path) -> tuple[str, ...]:
    with pytest.raises(SourceError) as caught:
        gather([str(path)])
    return caught.value.findings


def write(*names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"x")

    return make


@pytest.mark.parametrize(
    "make",
    [
        write(),
        write("version"),
        write("version", HEX),
        write(HEX),
        write("dir-put-blob123"),
        write(f"{HEX}.manifest.json", HEX),
        write("signature-1"),
        write(f"{HEX}.signature-1"),
    ],
    ids=["empty", "version", "blob", "blob alone", "part of a blob", "child", "signature", "signature of a child"],
)
def test_01_a_dir_image_that_was_begun_is_named(make: Callable[[Path], None], trees: Trees) -> None:
    tree = trees.simple("tree", "shop/ok:1")
    (tree / "shop/half:2").mkdir()
    make(tree / "shop/half:2")
    (finding,) = findings(tree)
    assert finding.startswith(f"{tree}/shop/half:2: is an incomplete image without manifest.json: ")


def test_01_nothing_but_an_image_that_was_begun_is_not_an_empty_folder(tmp_path: Path) -> None:
    write("version")(tmp_path / "tree/half:2")
    (finding,) = findings(tmp_path / "tree")
    assert "half:2: is an incomplete image" in finding


def test_01_what_skopeo_leaves_when_a_blob_cannot_be_read_is_named(tree: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(IMAGES / "infra/settings:r1", broken)
    for blob in broken.glob("?" * 64):
        blob.unlink()
    for kind, name in (("dir", "infra/half:1"), ("oci", "half")):
        copied = tmp_path / kind / name
        copied.parent.mkdir(parents=True)
        run = subprocess.run(["skopeo", "copy", "-q", f"dir:{broken}", f"{kind}:{copied}"], capture_output=True)
        assert run.returncode != 0
        assert copied.is_dir()
        if kind == "oci":
            write(f"blobs/sha256/{HEX}")(copied)
        (finding,) = findings(tmp_path / kind)
        assert finding.startswith(f"{copied}: is an ")
        assert "is an incomplete " in finding


@pytest.mark.parametrize(
    "files",
    [(f"blobs/sha256/{HEX}",), ("index.json", "blobs/sha256/x"), ("blobs/sha256/oci-put-blob1",), ("oci-put-blob1",)],
)
def test_01_an_oci_layout_that_was_begun_is_named(files: tuple[str, ...], trees: Trees) -> None:
    tree = trees.simple("tree", "shop/ok:1")
    write(*files)(tree / "layout")
    (finding,) = findings(tree)
    assert finding.startswith(f"{tree}/layout: is an ")
    assert "is an incomplete " in finding


def test_an_unpacked_docker_save_is_named_with_the_command_to_run(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/ok:1")
    write(f"saved/{HEX}/layer.tar", f"saved/{HEX}/VERSION", f"saved/{HEX}.json", "saved/repositories")(tree)
    (tree / "saved/manifest.json").write_text('[{"Config": "x.json", "RepoTags": null, "Layers": []}]')
    (finding,) = findings(tree)
    assert finding.startswith(f"{tree}/saved: is an unpacked 'docker save' archive: ")
    assert f"'tar -C {tree}/saved -cf images.tar .'" in finding


def test_a_registry_inside_a_tree_is_named(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/ok:1")
    (tree / "mirror/docker/registry/v2/repositories").mkdir(parents=True)
    (finding,) = findings(tree)
    assert finding == f"{tree}/mirror: is a registry's root: name it as a source of its own"


def test_files_that_belong_to_nothing_are_remarks(trees: Trees) -> None:
    tree = trees.simple("tree", "shop/ok:1")
    write("images.txt", "shop/notes", f"shop/ok:1/{HEX}", "shop/ok:1/readme", ".DS_Store", "lost+found/x:1")(tree)
    (tree / "host").mkdir()
    assert gather([str(tree)]).remarks == (
        f"{tree}/: no image uses images.txt",
        f"{tree}/shop: no image uses notes",
        f"{tree}/shop/ok:1: no image uses {HEX}, readme",
    )


def test_there_are_no_remarks_about_a_tree_of_images() -> None:
    assert gather([str(IMAGES)]).remarks == ()
