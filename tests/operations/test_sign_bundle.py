"""Bundles that are there get signatures, which OpenSSH made or checks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import FormatError, TrustError, UsageError
from tests.support import Builder


@pytest.fixture(name="path")
def bundle_file(tmp_path: Path, sample: Builder) -> Path:
    path = tmp_path / "full.tar.zst"
    path.write_bytes(sample.bundle())
    return path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys `alice` and `bob`."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("alice", "bob"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return folder


def elsewhere(message: Path, key: Path, namespace: str = "airpatch") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(message)], check=True)
    return Path(f"{message}.sig")


def test_a_key_signs_once(path: Path, keys: Path) -> None:
    first = airpatch.sign(path, key=keys / "alice")
    again = airpatch.sign(path, key=keys / "alice")
    assert first.fingerprints == again.fingerprints
    assert len(airpatch.sign(path, key=keys / "bob").fingerprints) == 2


def test_a_signature_made_elsewhere_is_taken(path: Path, keys: Path, tmp_path: Path) -> None:
    airpatch.sign(path, export=tmp_path / "message")
    file = elsewhere(tmp_path / "message", keys / "bob")
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    (fingerprint,) = airpatch.sign(path, signatures=file).fingerprints
    assert fingerprint in subprocess.check_output(["ssh-keygen", "-l", "-f", str(keys / "bob.pub")], text=True)


def test_what_does_not_fit_is_not_put_in(path: Path, keys: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    (tmp_path / "other").write_bytes(b"another message")
    with pytest.raises(TrustError, match=r"other\.sig: .*does not fit"):
        airpatch.sign(path, signatures=elsewhere(tmp_path / "other", keys / "bob"))
    airpatch.sign(path, export=tmp_path / "message")
    with pytest.raises(FormatError, match="sign with `-n airpatch`"):
        airpatch.sign(path, signatures=elsewhere(tmp_path / "message", keys / "bob", "file"))
    with pytest.raises(UsageError, match="nothing to sign with"):
        airpatch.sign(path)
    with pytest.raises(UsageError, match="cannot be read"):
        airpatch.sign(path, signatures=tmp_path / "nowhere")
    assert path.read_bytes() == before
