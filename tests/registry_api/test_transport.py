"""TLS, proxies, redirects and repeated attempts."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from airpatch.errors import SourceError
from airpatch.execution import Cancellation
from airpatch.registry_api.access import RegistryAccess
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.transport import Transport
from tests.registry_api.authority import Issued
from tests.registry_api.http_server import Cut, Reply, Request, http_server
from tests.registry_api.registries import PLAIN


def transport(host: str, access: RegistryAccess = PLAIN) -> Transport:
    return Transport(RegistryPlace(host, ""), access, SourceError)


def get(of: Transport, path: str = "/v2/") -> tuple[int, bytes]:
    def attempt() -> tuple[int, bytes]:
        with of.request("GET", path, "web", "scope") as answer:
            return answer.status, answer.read(1000)

    return of.repeat(attempt, "it")


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


def test_what_ends_a_block_of_workers_ends_their_attempts() -> None:
    asked = threading.Event()

    def busy(_request: Request) -> Reply:
        asked.set()
        return Reply(429, {"Retry-After": "60"})

    with http_server(busy) as host, closing(transport(host)) as of:
        waiting = []

        def interrupted() -> None:
            with of.workers() as pool:
                waiting.append(pool.submit(get, of))
                asked.wait()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert isinstance(waiting[0].exception(), CancelledError)


def test_a_refused_connection_is_told_as_such() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        of = transport(f"127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(SourceError, match=r"^it: connection refused \(tried 6 times\)$"):
            get(of)
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
        "/v2/capitals": Reply(401, {"WWW-Authenticate": 'Bearer realm=" HTTP://127.0.0.1:1/token",service="s"'}),
    }
    with http_server(lambda request: replies[request.path], server_certificate) as host:
        of = transport(host, RegistryAccess(ca=authority.certificate))
        with pytest.raises(SourceError, match="without TLS"):
            get(of)
        with pytest.raises(SourceError, match="without TLS"):
            get(of, "/v2/token")
        with pytest.raises(SourceError, match="without TLS"):
            get(of, "/v2/capitals")
        of.close()


def test_a_registry_without_tls_is_told_at_once() -> None:
    with http_server(lambda _: Reply(200)) as host:
        of = transport(host, RegistryAccess())
        with pytest.raises(SourceError, match="answers without TLS; if it should, use --plain-http"):
            get(of)
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


@pytest.mark.parametrize(
    "proxy", ["http://u:secret@[", "socks5://u:secret@127.0.0.1:1", "http://u:secret@h:99999", "http://"]
)
def test_a_proxy_that_is_none_is_told_at_once(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with closing(transport("registry.example", RegistryAccess())) as of:
        with pytest.raises(SourceError, match="proxy that the environment names") as caught:
            get(of)
        assert "secret" not in str(caught.value)


def test_tls_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, authority: Issued, server_certificate: Issued
) -> None:
    """By CONNECT, with the credentials of the proxy, which the registry does not see."""
    seen: list[str | None] = []

    def handle(request: Request) -> Reply:
        seen.append(request.headers.get("Proxy-Authorization"))
        return Reply(200, {}, b"by proxy")

    with http_server(handle, server_certificate) as host, socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        with (
            closing(transport("registry.example", RegistryAccess(ca=authority.certificate))) as of,
            ThreadPoolExecutor(1) as pool,
        ):
            asking = pool.submit(get, of)
            client, _ = listening.accept()
            with client, socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2]))) as server:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += client.recv(1)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()
                assert asking.result() == (200, b"by proxy")
    assert asked.startswith(b"CONNECT registry.example:443 HTTP/1.")
    assert b"proxy-authorization: basic dxnlcjp3b3jk" in asked.lower()
    assert seen == [None]


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def test_a_busy_token_server_is_asked_again() -> None:
    asked: list[str] = []

    def handle(request: Request) -> Reply:
        asked.append(request.path.partition("?")[0])
        if request.path.startswith("/token"):
            return Reply(503, {"Retry-After": "0"}) if asked.count("/token") < 3 else Reply(200, {}, b'{"token": "t"}')
        if request.headers.get("Authorization") == "Bearer t":
            return Reply(200, {}, b"let in")
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="s"'})

    with http_server(handle) as host, closing(transport(host)) as of:
        assert get(of) == (200, b"let in")
    assert asked.count("/token") == 3


def test_a_token_is_no_long_text() -> None:
    def handle(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return Reply(200, {}, bytes(2 << 20))
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="s"'})

    with (
        http_server(handle) as host,
        closing(transport(host)) as of,
        pytest.raises(SourceError, match=r"/token gives an answer of more than \d+ bytes, where a token should be"),
    ):
        get(of)


def test_a_token_that_is_not_accepted_is_told() -> None:
    def handle(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return Reply(200, {}, b'{"token": "t"}')
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="s"'})

    with http_server(handle) as host, closing(transport(host)) as of, pytest.raises(SourceError, match="credentials"):
        get(of)


def test_a_wait_ends_with_the_work() -> None:
    cancellation = Cancellation()

    def handle(request: Request) -> Reply:
        cancellation.cancel()
        return Reply(429, {"Retry-After": "600"})

    with http_server(handle) as host:
        of = Transport(RegistryPlace(host, ""), PLAIN, SourceError, cancellation)
        with closing(of), pytest.raises(CancelledError):
            get(of)
        with pytest.raises(CancelledError):
            of.request("GET", "/v2/", "web", "scope")


def test_redirects_that_lead_nowhere() -> None:
    replies = {
        "/v2/": Reply(307, {"Location": "http://127.0.0.1:port/"}),
        "/v2/round": Reply(307, {"Location": "/v2/round"}),
        "/v2/file": Reply(307, {"Location": "file:///etc/passwd"}),
        "/v2/odd": Reply(307, {"Location": "http://[x"}),
    }
    with http_server(lambda request: replies[request.path]) as host, closing(transport(host)) as of:
        with pytest.raises(SourceError, match=r"it: .*tried 6 times"):
            get(of)
        assert get(of, "/v2/round")[0] == 307
        with pytest.raises(SourceError, match="is not followed"):
            get(of, "/v2/file")
        with pytest.raises(SourceError, match="refers to 'http://\\[x', which is no URL"):
            get(of, "/v2/odd")
