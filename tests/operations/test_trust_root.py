"""Whom a root trusts is for those to change whom it trusts now, and for its owner."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import airpatch
from airpatch.errors import TrustError
from airpatch.target.root_trust import TRUST
from tests.support import Builder


@pytest.fixture
def signers(tmp_path: Path) -> dict[str, Path]:
    """A file of allowed signers for each of two keys, which lie in the files without the ending."""
    files = {}
    for name in ("alice", "bob"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
        files[name] = tmp_path / f"{name}.signers"
        files[name].write_text(f"{name} {(tmp_path / f'{name}.pub').read_text()}")
    return files


def change_signature(file: Path, key: Path, namespace: str = "airpatch-trust") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(file)], check=True)
    return Path(f"{file}.sig")


def test_signers_as_the_documentation_sets_them_up_name_their_successors(
    signers: dict[str, Path], tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "TRUST.md").read_text()
    [namespaces] = re.findall(r'namespaces=\\"([a-z,-]+)\\"', page)
    signers["alice"].write_text(f'alice namespaces="{namespaces}" {(tmp_path / "alice.pub").read_text()}')
    root = tmp_path / "root"
    airpatch.trust(root, airpatch.trusted_signers(signers["alice"]))
    signature = change_signature(signers["bob"], tmp_path / "alice")
    done = airpatch.trust(root, airpatch.trusted_signers(signers["bob"]), signature=signature)
    assert [signer.principals for signer in done.signers] == [("alice",)]


def test_those_who_are_trusted_name_their_successors(signers: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "root"
    alice, bob = (airpatch.trusted_signers(file) for file in signers.values())
    assert airpatch.trust(root, alice).signers == ()
    assert airpatch.trust(root, alice).signers == ()  # the same once more changes nothing
    with pytest.raises(TrustError, match="trusts others, who must sign the new file"):
        airpatch.trust(root, bob)
    with pytest.raises(TrustError):
        airpatch.trust(root, bob, signature=change_signature(signers["bob"], tmp_path / "bob"))
    (tmp_path / "bob.signers.sig").unlink()
    done = airpatch.trust(root, bob, signature=change_signature(signers["bob"], tmp_path / "alice"))
    assert [signer.principals for signer in done.signers] == [("alice",)]
    assert airpatch.trust(root, alice, force=True).trusted == alice


def test_a_root_demands_signatures_whether_it_is_told_to_or_not(
    signers: dict[str, Path], tmp_path: Path, sample: Builder
) -> None:
    root, bundle = tmp_path / "root", tmp_path / "full.tar.zst"
    bundle.write_bytes(sample.bundle())
    airpatch.trust(root, airpatch.trusted_signers(signers["alice"]))
    before = sorted(root.rglob("*"))
    with pytest.raises(TrustError, match="is not signed"):
        airpatch.apply(bundle, root)
    airpatch.sign(bundle, key=tmp_path / "bob")
    for dry_run in (True, False):
        with pytest.raises(TrustError, match="its only signature does not count"):
            airpatch.apply(bundle, root, dry_run=dry_run, trusted=airpatch.trusted_signers(signers["bob"]))
    assert sorted(root.rglob("*")) == before
    airpatch.sign(bundle, key=tmp_path / "alice")
    airpatch.apply(bundle, root)
    assert (root / TRUST).exists()
