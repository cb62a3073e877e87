"""containerd's storage, with a database that containerd wrote (`fixtures/containerd`)."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from airpatch.errors import SourceError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.sources.containerd_stores import CONTENT
from airpatch.sources.gather import Gathered, gather
from airpatch.sources.location import CONTAINERD_DATABASE as DATABASE
from tests.sources.sample_sources import IMAGES

DATA = gzip.decompress((Path(__file__).parents[2] / "fixtures/containerd/meta.db.gz").read_bytes())
SETTINGS = (IMAGES / "infra/settings:r1/manifest.json").read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / CONTENT).mkdir(parents=True)
    (tmp_path / DATABASE).parent.mkdir()
    (tmp_path / DATABASE).write_bytes(DATA)
    for folder in ("infra/settings:r1", "proxy:r1"):
        for path in (IMAGES / folder).iterdir():
            content = path.read_bytes()
            shutil.copy(path, tmp_path / CONTENT / Digest.of(content).hex)
    return tmp_path


def names(found: Gathered) -> list[str]:
    return [str(image.name) for image in found.release.images]


@pytest.mark.parametrize("prefix", ["", "containerd:"])
def test_images_of_all_namespaces_are_found(prefix: str, store: Path) -> None:
    found = gather([f"{prefix}{store}"])
    expected = {
        "docker.io/infra/settings:r1",
        "docker.io/library/proxy:r1",
        f"docker.io/mirror/settings:by-digest-{Digest.of(SETTINGS).hex}",
        *(f"docker.io/many/settings:{number}" for number in range(1, 121)),
    }
    assert set(names(found)) == expected
    assert {image.manifest for image in found.release.images if "settings" in str(image.name)} == {Digest.of(SETTINGS)}


def test_the_digests_are_those_of_the_images(store: Path, tmp_path: Path) -> None:
    found = gather([str(store)], picks=["infra/settings:r1", "proxy:r1"])
    assert set(found.manifests) == set(gather([str(IMAGES)], picks=["infra/settings:r1", "proxy:r1"]).manifests)


def test_platforms_that_containerd_did_not_fetch_are_one_finding(store: Path) -> None:
    children = parse_manifest((IMAGES / "proxy:r1/manifest.json").read_bytes()).manifests
    for child in children[1:]:
        (store / CONTENT / child.digest.hex).unlink()
    with pytest.raises(SourceError) as caught:
        gather([str(store)])
    (finding,) = caught.value.findings
    assert len(children) == 2
    assert "1 of 2 platforms is not here" in finding


def test_layers_that_containerd_discarded_are_named(store: Path) -> None:
    layer = parse_manifest(SETTINGS).blobs[-1].digest
    (store / CONTENT / layer.hex).unlink()
    with pytest.raises(SourceError, match=f"infra/settings:r1: layer {layer}: .*is missing"):
        gather([str(store)], picks=["infra/settings:r1"])


@pytest.mark.parametrize("data", [b"", b"x" * 100, bytes(8192), DATA[:6000], DATA[:4096] + bytes(len(DATA) - 4096)])
def test_a_damaged_database_is_named(data: bytes, store: Path) -> None:
    (store / DATABASE).write_bytes(data)
    with pytest.raises(
        SourceError,
        match=r"meta\.db: the database|meta\.db: page |meta\.db: not a Bolt database|meta\.db: names no image",
    ):
        gather([str(store)])


def test_another_folder_is_no_storage_of_containerd(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no storage of containerd"):
        gather([f"containerd:{tmp_path}"])
