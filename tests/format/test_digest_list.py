"""The list of digests is one that sha256sum checks a root with, however the release came there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import IntegrityError, UsageError
from airpatch.format.digest_list import emit_digest_list
from tests.support import Builder


def unpack(bundle: Path, root: Path) -> None:
    root.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", root], check=True)


def apply(bundle: Path, root: Path) -> None:
    airpatch.apply(bundle, root)


@pytest.fixture
def bundle(tmp_path: Path, sample: Builder) -> Path:
    (tmp_path / "full").write_bytes(sample.bundle())
    return tmp_path / "full"


def check(root: Path, sums: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sha256sum", "-c", "--strict", sums], cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("make", [unpack, apply])
def test_sha256sum_takes_it(bundle: Path, sample: Builder, make: Callable[[Path, Path], None], tmp_path: Path) -> None:
    sums, root = tmp_path / "SHA256SUMS", tmp_path / "root"
    verified = airpatch.verify(bundle, manifest=sums)
    assert isinstance(verified, airpatch.VerifiedBundle)
    make(bundle, root)
    done = check(root, sums)
    assert (done.returncode, done.stderr) == (0, "")
    signatures = len(set(sample.release.images[0].signatures) | set(sample.release.images[1].signatures))
    assert done.stdout.count(": OK\n") == len(sample.release.blobs) + signatures
    next(path for path in (root / "docker").rglob("data") if path.stat().st_size).write_bytes(b"x")
    assert check(root, sums).returncode == 1


def test_it_is_sorted_and_says_all_of_a_patch(sample: Builder) -> None:
    lines = emit_digest_list(sample.release).splitlines()
    assert [line[66:] for line in lines] == sorted(line[66:] for line in lines)
    assert {line[:64].decode() for line in lines} >= {blob.digest.hex for blob in sample.release.blobs}


def test_a_bundle_that_is_wrong_gets_none(bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[-200] ^= 1
    bundle.write_bytes(content)
    with pytest.raises((IntegrityError, airpatch.FormatError)):
        airpatch.verify(bundle, manifest=tmp_path / "sums")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    (tmp_path / "root").mkdir()
    with pytest.raises(UsageError, match="--manifest"):
        airpatch.verify(tmp_path / "root", manifest=tmp_path / "sums")
