"""TLS, proxies, redirects and repeated attempts."""

from __future__ import annotations

import email.utils
import time
from pathlib import Path

import pytest

from airpatch.errors import SourceError, UsageError
from airpatch.registry_api.access import PullOptions, RegistryAccess
from airpatch.registry_api.address import Place
from airpatch.registry_api.transport import Transport, _retry_after, shown
from airpatch.sources.gather import gather
from tests.registry_api.authority import Issued, issue, make_authority
from tests.registry_api.http_server import Cut, Reply, Request, http_server
from tests.registry_api.registries import PLAIN, registry
from tests.registry_api.sample import expected


def transport(host: str, access: RegistryAccess = PLAIN) -> Transport:
    return Transport(Place(host, ""), access, SourceError)


def get(of: Transport, path: str = "/v2/") -> tuple[int, bytes]:
    def attempt() -> tuple[int, bytes]:
        with of.request("GET", path, "web", "scope") as answer:
            return answer.status, answer.read(1000)

    return of.repeat(attempt, "it")


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
            transport("r.example", access)


def test_attempts_are_repeated_and_end() -> None:
    asked: list[str] = []

    def busy(request: Request) -> Reply:
        asked.append(request.path)
        if request.path == "/v2/never":
            raise Cut
        return Reply(200, {}, b"fine") if len(asked) > 3 else Reply(429, {"Retry-After": "0"}, b"slow down")

    with http_server(busy) as host:
        of = transport(host)
        assert get(of) == (200, b"fine")
        assert len(asked) == 4
        with pytest.raises(SourceError, match=r"the connection broke \(tried 6 times\)"):
            get(of, "/v2/never")
        of.close()


def test_credentials_do_not_follow_a_redirect(tmp_path: Path) -> None:
    seen: list[str | None] = []

    def store(request: Request) -> Reply:
        seen.append(request.headers.get("Authorization"))
        return Reply(200, {}, b"content") if request.path == "/blob?signature=1" else Reply(401, {}, b"no")

    with http_server(store) as other:

        def registry_(request: Request) -> Reply:
            if request.headers.get("Authorization") is None:
                return Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})
            if request.path == "/v2/here":
                return Reply(302, {"Location": "/v2/there"})
            if request.path == "/v2/there":
                return Reply(200, {}, b"with credentials")
            place = "/other" if request.path == "/v2/ask" else "/blob?signature=1"
            return Reply(307, {"Location": f"http://{other}{place}"})

        with http_server(registry_) as host:
            file = tmp_path / "auth.json"
            file.write_text(f'{{"auths": {{"{host}": {{"username": "u", "password": "p"}}}}}}')
            of = transport(host, RegistryAccess(plain_http=True, pause=0.0, auth_file=file))
            assert get(of) == (200, b"content")
            assert get(of, "/v2/here") == (200, b"with credentials")
            assert get(of, "/v2/ask")[0] == 401  # and is not answered
            of.close()
    assert seen == [None, None]


def test_nothing_is_followed_away_from_tls(tmp_path: Path, authority: Issued, server_certificate: Issued) -> None:
    replies = {
        "/v2/": Reply(307, {"Location": "http://127.0.0.1:1/blob"}),
        "/v2/token": Reply(401, {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:1/token",service="s"'}),
    }
    with http_server(lambda request: replies[request.path], server_certificate) as host:
        of = transport(host, RegistryAccess(ca=authority.certificate))
        with pytest.raises(SourceError, match="no TLS"):
            get(of)
        with pytest.raises(SourceError, match="without TLS"):
            get(of, "/v2/token")
        of.close()


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def proxy(request: Request) -> Reply:
        asked.append(request.path)
        return Reply(200, {}, b"by proxy")

    with http_server(proxy) as address:
        monkeypatch.setenv("http_proxy", f"http://user:word@{address}")
        monkeypatch.delenv("no_proxy", raising=False)
        of = transport("localhost:1")
        with of._send("GET", "http://registry.example/v2/", {}, None) as answer:
            assert answer.read(100) == b"by proxy"
        monkeypatch.setenv("no_proxy", "registry.invalid")
        with pytest.raises(Exception, match=r"resolved|connection"):
            of._send("GET", "http://registry.invalid/v2/", {}, None)
        of.close()
    assert asked == ["http://registry.example/v2/"]


def test_urls_are_shown_without_secrets() -> None:
    assert shown("https://u:p@s3.example/blob?X-Amz-Signature=1") == "https://s3.example/blob"


def test_retry_after_is_seconds_or_a_date() -> None:
    assert _retry_after("7") == 7.0
    assert _retry_after(None) is None
    assert _retry_after("soon") is None
    assert 0.0 <= (_retry_after(email.utils.formatdate(time.time() + 50, usegmt=True)) or -1) <= 50
    assert _retry_after(email.utils.formatdate(0, usegmt=True)) == 0.0
