"""What is written here is what skopeo reads and writes, and what skopeo writes is a source."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airpatch.destinations.restorer import Form, restore_images
from airpatch.sources.gather import Gathered, gather
from tests.destinations.conftest import files
from tests.registry.server import missing_programs, serving
from tests.sources.sample_sources import IMAGES
from tests.support import execution

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")]
NAMES = sorted(str(path.parent.relative_to(IMAGES)) for path in IMAGES.rglob("manifest.json"))
OCI_NAMES = [name for name in NAMES if b"vnd.oci" in (IMAGES / name / "manifest.json").read_bytes()]
"""skopeo looks for no other images in a layout."""


def skopeo(*words: str | Path) -> None:
    subprocess.run(["skopeo", "--insecure-policy", *words], check=True, capture_output=True)


def run(found: Gathered, out: Path, form: Form) -> Path:
    restore_images(found.release.images, found.manifests, found.content, out, execution(), form=form)
    return out


@pytest.mark.parametrize("name", NAMES)
def test_skopeo_reads_restored_dir_images_and_writes_the_same(name: str, tmp_path: Path, images: Gathered) -> None:
    out = run(images, tmp_path / "out", Form.DIR)
    skopeo("copy", "--all", f"dir:{out / name}", f"dir:{tmp_path / 'copy'}")
    assert files(tmp_path / "copy") == files(IMAGES / name)
    (tmp_path / "copy/version").unlink()
    modes = {path.stat().st_mode for folder in (out / name, tmp_path / "copy") for path in folder.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("name", OCI_NAMES)
def test_skopeo_finds_images_in_a_layout_by_name(name: str, tmp_path: Path, images: Gathered) -> None:
    out = run(images, tmp_path / "out", Form.OCI)
    skopeo("copy", "--all", f"oci:{out}:{name}", f"dir:{tmp_path / 'copy'}")
    expected = {path: content for path, content in files(IMAGES / name).items() if "signature" not in path}
    assert files(tmp_path / "copy") == expected


def test_layouts_that_skopeo_writes(tmp_path: Path) -> None:
    for name in NAMES:
        repository, _, tag = name.rpartition(":")
        folder = tmp_path / "tree" / repository.replace(":5000", "")
        folder.mkdir(parents=True, exist_ok=True)
        for layout in (f"{folder}:{tag}", f"{tmp_path / 'one'}:{name}"):
            skopeo("copy", "--all", "--remove-signatures", f"dir:{IMAGES / name}", f"oci:{layout}")
    assert sorted(str(i.name) for i in gather([str(tmp_path / "one")]).release.images) == NAMES
    tree = gather([str(tmp_path / "tree")]).release
    assert sorted(str(i.name) for i in tree.images) == sorted(name.replace(":5000", "") for name in NAMES)
    again = run(gather([str(tmp_path / "one")]), tmp_path / "again", Form.OCI)
    assert gather([str(again)]).release == gather([str(tmp_path / "one")]).release


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A running registry: its address and its root."""
    if missing := missing_programs():
        pytest.skip(f"needs {', '.join(missing)}")
    with serving(tmp_path / "root", tmp_path) as running:
        yield f"127.0.0.1:{running.port}", running.root


def test_a_registry_that_is_served_and_trees_that_skopeo_sync_writes(
    registry: tuple[str, Path], tmp_path: Path, images: Gathered
) -> None:
    address, root = registry
    pushed = [name for name in NAMES if ":5000" not in name]
    for name in pushed:
        target = f"docker://{address}/{name}"
        flags = ["--all", "--preserve-digests", "--remove-signatures", "--dest-tls-verify=false"]
        skopeo("copy", *flags, f"dir:{IMAGES / name}", target)
    served = gather([str(root)]).release
    expected = {str(image.name): image.manifest for image in images.release.images if ":5000" not in str(image.name)}
    assert {str(image.name): image.manifest for image in served.images} == expected
    out = run(gather([str(root)]), tmp_path / "out", Form.DIR)
    expected_files = {n: c for n, c in files(IMAGES).items() if ":5000" not in n and "signature" not in n}
    assert files(out) == expected_files
    for flags, prefix in ([], ""), (["--scoped"], f"{address}/shop/"):
        tree = tmp_path / f"tree{len(prefix)}"
        for repository in ("shop/web", "shop/worker"):
            source = ["--src", "docker", "--src-tls-verify=false", f"{address}/{repository}"]
            skopeo("sync", "--all", *flags, *source[:3], "--dest", "dir", source[3], tree)
        synced = {str(i.name): i.manifest for i in gather([str(tree)]).release.images}
        shop = {name.removeprefix("shop/"): digest for name, digest in expected.items() if name.startswith("shop/")}
        assert synced == {f"{prefix}{name}": digest for name, digest in shop.items()}
        images_list = tmp_path / "images.txt"
        images_list.write_text("".join(f"{address}/shop/{name}\n" for name in shop))
        assert len(gather([str(tree)], images_list=images_list).release.images) == len(shop)


def test_the_layout_is_what_the_specification_asks_for(tmp_path: Path, images: Gathered) -> None:
    out = run(images, tmp_path / "out", Form.OCI)
    assert json.loads((out / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((out / "index.json").read_text())
    assert index["schemaVersion"] == 2
    names = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]]
    assert names == sorted(NAMES)
