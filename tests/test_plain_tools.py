"""Promises to plain tools (adversary 59): every full bundle is a `.tar.zst` that tar and zstd take."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from airpatch.format import registry
from airpatch.format.index import Base, Disposition, Index
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from tests.support import OCI_GZIP_LAYER, Builder

pytestmark = pytest.mark.skipif(not shutil.which("zstd") or not shutil.which("tar"), reason="needs zstd and GNU tar")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not done.stderr, "tar and zstd have nothing to complain about"
    return done.stdout


@pytest.fixture(name="builder")
def release_with_everything(sample: Builder) -> Builder:
    """Small and large members, raw and compressed frames, and paths that need GNU's long form."""
    large = sample.picture([bytes(9 << 20), b"\x1f\x8b" * (5 << 20)], layer_type=OCI_GZIP_LAYER)
    sample.tag("registry.example:5000/" + "x" * 230 + "/y:" + "t" * 128, large)
    return sample


@pytest.fixture(name="bundle")
def bundle_file(builder: Builder, tmp_path: Path) -> Path:
    path = tmp_path / "full.tar.zst"
    path.write_bytes(builder.bundle())
    return path


def test_adversary_59_zstd_takes_it(bundle: Path) -> None:
    run("zstd", "-tq", bundle)


def test_adversary_59_tar_lists_it(bundle: Path) -> None:
    listed = run("tar", "--zstd", "-tf", bundle).splitlines()
    assert listed[0] == ".airpatch/index"
    assert len(listed) == len(set(listed))
    for line in run("tar", "--zstd", "--numeric-owner", "-tvf", bundle).splitlines():
        assert line.startswith("-rw-r--r-- 0/0 ")


def test_adversary_59_tar_unpacks_a_registry(bundle: Path, builder: Builder, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    run("tar", "--zstd", "-xf", bundle, "-C", root)
    for digest, content in {**builder.blobs, **builder.manifests}.items():
        path = root / registry.blob_path(digest)
        if path.exists():
            assert path.read_bytes() == content
    manifests = {digest: parse_manifest(content) for digest, content in builder.manifests.items()}
    expected = {link.path: link.content for link in registry.links(builder.release, manifests)}
    found = {str(p.relative_to(root)): p.read_bytes() for p in (root / registry.REPOSITORIES).rglob("link")}
    assert found == expected
    blobs = {str(path.relative_to(root)) for path in (root / registry.BLOBS).rglob("data")}
    assert blobs == {registry.blob_path(blob.digest) for blob in builder.release.blobs}


def test_a_patch_unpacked_by_tar_publishes_nothing(builder: Builder, tmp_path: Path) -> None:
    release = builder.release
    dispositions = (Disposition.LEFT_OUT, *[Disposition.STORED] * (len(release.blobs) - 1))
    path, root = tmp_path / "patch.tar.zst", tmp_path / "root"
    path.write_bytes(builder.bundle(Index(release, dispositions, (Base(Digest.of(b"base"), "r0"),))))
    root.mkdir()
    run("tar", "--zstd", "-xf", path, "-C", root)
    assert not (root / registry.REPOSITORIES).exists()
