"""Authorities and certificates of clients, by options and by the folders of docker and podman."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from airpatch.errors import SourceError, UsageError
from airpatch.registry_api.access import PullOptions, RegistryAccess
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.tls import present, tls_context
from airpatch.sources.gather import gather
from tests.registry_api.authority import Issued, issue, make_authority
from tests.registry_api.registries import registry
from tests.registry_api.sample import expected


def test_an_authority_of_ones_own_and_client_certificates(
    root: Path, tmp_path: Path, authority: Issued, server_certificate: Issued
) -> None:
    client = issue(tmp_path, "client", authority)
    with registry(root, tmp_path, tls=server_certificate, clients=authority) as host:
        access = RegistryAccess(ca=authority.certificate, certificate=client.certificate, key=client.key)
        found = gather([f"docker://{host}/shop/web:r1"], pull=PullOptions(access))
        assert found.release.images[0] in expected(root).release.images
        with pytest.raises(SourceError) as caught:
            gather([f"docker://{host}/shop/web:r1"], pull=PullOptions(RegistryAccess()))
        assert "its certificate is not accepted" in caught.value.findings[0]
        assert "--ca" in caught.value.findings[0]
        access = RegistryAccess(ca=authority.certificate, attempts=1)  # without a certificate of the client
        with pytest.raises(SourceError):
            gather([f"docker://{host}/shop/web:r1"], pull=PullOptions(access))


def test_the_folders_of_docker_and_podman_are_read(
    root: Path, tmp_path: Path, authority: Issued, server_certificate: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with registry(root, tmp_path, tls=server_certificate, clients=authority) as host:
        folder = tmp_path / f".config/containers/certs.d/{host}"
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
        client = issue(tmp_path, "client", authority)
        (folder / "client.cert").write_bytes(client.certificate.read_bytes())
        (folder / "client.key").write_bytes(client.key.read_bytes())
        assert gather([f"docker://{host}/shop/web:r1"]).release.images[0] in expected(root).release.images


def test_certificates_that_cannot_be_used_are_told(tmp_path: Path, authority: Issued) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    for access in (
        RegistryAccess(ca=broken),
        RegistryAccess(ca=tmp_path / "absent"),
        RegistryAccess(certificate=broken),
        RegistryAccess(certificate=authority.certificate, key=make_authority(tmp_path).key),
    ):
        with pytest.raises(UsageError, match=r"PEM|certificate"):
            tls_context(RegistryPlace("r.example", ""), access)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked(tmp_path: Path, authority: Issued) -> None:
    client = issue(tmp_path, "client", authority)
    passphrase = serialization.BestAvailableEncryption(b"secret")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    client.key.write_bytes(client.signer.private_bytes(*form, passphrase))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(UsageError, match="the key has a passphrase"):
        present(context, client.certificate, client.key)


def test_a_user_without_a_name_and_a_home_has_no_certificates_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert tls_context(RegistryPlace("r.example", ""), RegistryAccess()).verify_mode is ssl.CERT_REQUIRED
