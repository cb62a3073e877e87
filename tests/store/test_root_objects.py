"""A registry's root as a store: its releases are there, what is written goes elsewhere, and what is wrong is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import airpatch
from airpatch.blobs.content import read_blob
from airpatch.errors import SourceError, UsageError
from airpatch.model.digest import Digest
from airpatch.store.object_names import blob_name, release_name
from airpatch.store.release_store import ReleaseStore, make_store, release_blobs
from airpatch.store.store_address import is_store_address, parse_store_address
from tests.cli.support import IMAGES
from tests.support import execution


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with r1 and r2 of one product."""
    for number, name in enumerate(("r1", "r2"), start=1):
        airpatch.create(IMAGES / name, tmp_path / name, sequence=number, execution=execution())
        airpatch.apply([tmp_path / name], tmp_path / "root", execution=execution())
    return tmp_path / "root"


def opened(root: Path) -> ReleaseStore:
    return ReleaseStore(parse_store_address(str(root)))


def files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}


def test_releases_and_all_their_blobs_are_there(root: Path) -> None:
    """Detached signatures among them, which a registry does not keep."""
    before, store = files(root), opened(root)
    assert [each.release.name for each in store.releases()] == ["r1", "r2"]
    for each in store.releases():
        assert store.objects.size(release_name(each.id)) is not None
        for digest, size in release_blobs(each.release).items():
            assert Digest.of(read_blob(store.content, digest, size)) == digest
    assert store.content.size(Digest.of(b"nothing")) is None
    assert files(root) == before


def test_what_is_written_lies_where_the_registry_does_not_look(root: Path) -> None:
    before, objects = files(root), opened(root).objects
    content = os.urandom(100)
    name = blob_name(Digest.of(content))
    objects.require_conditions()
    objects.put(name, content)
    assert objects.create("records/patches/1", b"1")
    assert not objects.create("records/patches/1", b"2")
    assert [each.name for each in objects.list("records/patches")] == ["records/patches/1"]
    assert [each.name for each in objects.list("blobs/sha256")] == [name]
    assert objects.size(name) == 100
    assert objects.range(name, 10, 5) == content[10:15]
    assert read_blob(opened(root).content, Digest.of(content), 100) == content
    assert files(root) - before == {root / ".airpatch/store" / each for each in (name, "records/patches/1")}
    objects.delete("records/patches/1")
    assert objects.get("records/patches/1", 9) is None


def test_a_root_means_a_store_where_a_release_is_named(root: Path) -> None:
    assert is_store_address(f"{root}#r1")
    assert not is_store_address(str(root))
    with pytest.raises(UsageError, match="'airpatch apply' adds releases"):
        make_store(parse_store_address(str(root)))


def test_a_root_without_releases_is_told(tmp_path: Path) -> None:
    (tmp_path / "docker/registry/v2").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"airpatch has applied no release: .* 'airpatch store add STORE"):
        opened(tmp_path)


def test_wrong_receipts_and_folders_are_told(root: Path) -> None:
    store = opened(root)
    one, other = (root / ".airpatch/releases" / each.id.hex for each in store.releases())
    one.write_bytes(other.read_bytes())
    with pytest.raises(SourceError, match="is not the receipt of the release it is named after; remove it"):
        store.releases()
    one.write_bytes(b"text")
    with pytest.raises(SourceError, match=f"{one.name}: .*; remove it"):
        store.releases()
    one.unlink()
    assert store.objects.get(f"releases/{one.name}", 9) is None
    (root / ".airpatch/store").symlink_to(root)
    with pytest.raises(SourceError, match="is not a folder: remove it"):
        opened(root)
