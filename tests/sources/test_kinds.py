"""Each kind of source is recognised by what it holds, and a prefix disambiguates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airpatch.errors import FormatError, SourceError, TargetError, UsageError
from airpatch.format.index import Base, Disposition, Index
from airpatch.format.registry import STORAGE
from airpatch.model.digest import Digest
from airpatch.sources.bundles import BundleSource
from airpatch.sources.dir_trees import DirTree
from airpatch.sources.docker_archives import DockerArchive
from airpatch.sources.kinds import open_source
from airpatch.sources.oci_archives import OciArchive
from airpatch.sources.oci_layouts import OciLayouts
from airpatch.sources.registry_roots import RegistryRoot
from airpatch.sources.stores import StoreSource
from tests.sources.sample_sources import IMAGES, KINDS, Kind
from tests.support import sample

CLASSES = {
    "dir": DirTree,
    "registry": RegistryRoot,
    "oci": OciLayouts,
    "oci-archive": OciArchive,
    "docker-archive": DockerArchive,
    "bundle": BundleSource,
    "store": StoreSource,
}


def no_scratch() -> int:
    raise AssertionError("nothing is to be decompressed")


@pytest.mark.parametrize("prefix", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_is_recognised_by_what_it_holds(kind: Kind, prefix: bool, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "source"
    kind.make(tree, path)
    spec = f"{kind.name}:{path}" if prefix else str(path)
    assert isinstance(open_source(spec, no_scratch), CLASSES[kind.name])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_prefix_of_another_kind_finds_nothing(kind: Kind, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "source"
    kind.make(tree, path)
    for other in CLASSES.keys() - {kind.name}:
        with pytest.raises((UsageError, FormatError, SourceError)):
            open_source(f"{other}:{path}", no_scratch)


def test_a_prefix_disambiguates(tree: Path) -> None:
    for kind in KINDS[1:3]:
        kind.make(IMAGES, tree / "below" if kind.name == "oci" else tree)
    with pytest.raises(UsageError) as caught:
        open_source(str(tree), no_scratch)
    for prefix in ("dir", "registry", "oci"):
        assert f"{prefix}:{tree}" in str(caught.value)
        assert isinstance(open_source(f"{prefix}:{tree}", no_scratch), CLASSES[prefix])


@pytest.mark.parametrize("below", ["docker", "docker/registry", STORAGE, f"{STORAGE}/blobs"])
def test_a_folder_inside_a_root_gets_a_hint(below: str, tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    KINDS[1].make(tree, root)
    for prefix in ("", "registry:"):
        with pytest.raises(UsageError, match=f"name the root, {root}$"):
            open_source(f"{prefix}{root / below}", no_scratch)


@pytest.mark.parametrize("spec", ["", "dir:", "nowhere", "dir:nowhere", "bundle:nowhere", "oci:"])
def test_what_is_not_there_is_wrong_usage(spec: str) -> None:
    with pytest.raises(UsageError, match="no such file"):
        open_source(spec, no_scratch)


def test_a_folder_that_is_called_like_a_prefix(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("registry").symlink_to(tree)
    assert isinstance(open_source("registry", no_scratch), DirTree)


def test_standard_input_is_no_source() -> None:
    with pytest.raises(UsageError, match="name a file"):
        open_source("-", no_scratch)


def test_an_empty_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is an empty folder"):
        open_source(str(tmp_path), no_scratch)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="holds no images") as caught:
        open_source(str(tmp_path), no_scratch)
    assert "tar file" not in caught.value.message


def test_a_file_that_is_no_bundle(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"not a bundle")
    with pytest.raises(FormatError):
        open_source(str(path), no_scratch)


def test_a_patch_is_refused_as_a_source(tmp_path: Path) -> None:
    builder = sample()
    release = builder.release
    dispositions = (Disposition.LEFT_OUT, *(Disposition.STORED,) * (len(release.blobs) - 1))
    path = tmp_path / "patch"
    path.write_bytes(builder.bundle(Index(release, dispositions, (Base(Digest.of(b"base"), "r0"),))))
    with pytest.raises(UsageError, match="airpatch merge"):
        open_source(str(path), no_scratch)


@pytest.mark.parametrize("name", ["fifo", "/dev/null", "loop", "x" * 300])
def test_what_is_neither_a_folder_nor_a_file_is_refused_without_waiting(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises((UsageError, TargetError), match=r"is a pipe or a device|cannot be read: (Too many|File name)"):
        open_source(str(tmp_path / name), no_scratch)
