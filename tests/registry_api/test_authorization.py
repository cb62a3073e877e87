"""Challenges and tokens, in front of small servers and of a live registry."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from airpatch.errors import SourceError
from airpatch.registry_api.access import PullOptions, RegistryAccess
from airpatch.registry_api.authorization import Authorizer, Challenge, Fetch, Refused, parse_challenges
from airpatch.registry_api.credentials import Credential
from airpatch.sources.gather import gather
from tests.registry_api.authority import Issued
from tests.registry_api.http_server import http_server
from tests.registry_api.registries import PASSWORD, PLAIN, USER, basic_auth, login, registry
from tests.registry_api.sample import expected
from tests.registry_api.token_server import ISSUER, SERVICE, TokenServer

SCOPED = 'Bearer realm="https://a.example/token",service="r.example",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="the registry"', [("basic", {"realm": "the registry"})]),
        (
            SCOPED,
            [
                (
                    "bearer",
                    {
                        "realm": "https://a.example/token",
                        "service": "r.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, Basic realm="a \\"b\\"", charset=UTF-8',
            [("negotiate", {}), ("basic", {"realm": 'a "b"', "charset": "UTF-8"})],
        ),
        ("", []),
        ("Bearer" + " " * 60_000 + "(", [("bearer", {})]),
        (f"Bearer {','.join(f'a{i}=1' for i in range(200_000))}", [("bearer", {f"a{i}": "1" for i in range(200_000)})]),
        ('="', []),
    ],
)
def test_challenges_are_parsed(header: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert parse_challenges(header) == [Challenge(*each) for each in challenges]


def answer_and_go_on(found: Authorizer, challenge: str) -> None:
    found.answer(challenge, "scope", None)
    found.header("web", "scope")


class Tokens:
    """Gives a new token for each request."""

    def __init__(self, status: int = 200, **answer: object) -> None:
        self.asked: list[tuple[str, str, Mapping[str, str], bytes | None]] = []
        self._answer = status, answer

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        self.asked.append((method, url, headers, body))
        return self._answer[0], json.dumps({"token": f"t{len(self.asked)}", **self._answer[1]}).encode()


BEARER = 'Bearer realm="https://a.example/token?x=1",service="s"'


def authorizer(tokens: Tokens, credential: Credential | None = None) -> Authorizer:
    found = Authorizer("r.example", lambda _: credential, tokens)
    assert found.header("web", "scope") is None
    found.answer(BEARER, "scope", None)
    return found


def test_a_token_is_asked_for_once_and_again_when_it_is_refused() -> None:
    tokens = Tokens()
    found = authorizer(tokens)
    assert [found.header("web", "scope") for _ in range(3)] == ["Bearer t1"] * 3
    found.answer(BEARER, "scope", "Bearer t1")
    assert found.header("web", "scope") == "Bearer t2"
    assert found.header("web", "other") == "Bearer t3"
    assert tokens.asked[0][:2] == ("GET", "https://a.example/token?x=1&service=s&scope=scope")
    assert "Authorization" not in tokens.asked[0][2]


def test_a_token_that_is_about_to_end_is_replaced() -> None:
    found = authorizer(Tokens(expires_in=-1))
    assert found.header("web", "scope") == "Bearer t1"
    assert found.header("web", "scope") == "Bearer t2"


def test_credentials_buy_tokens() -> None:
    tokens = Tokens()
    found = authorizer(tokens, Credential("u", "p"))
    assert found.header("web", "a b") == "Bearer t1"
    _, url, headers, _ = tokens.asked[0]
    assert url.endswith("&scope=a&scope=b&account=u")
    assert headers["Authorization"] == Credential("u", "p").basic
    found = authorizer(tokens, Credential(identity_token="i"))
    assert found.header("web", "a") == "Bearer t2"
    method, _, _, body = tokens.asked[1]
    assert method == "POST"
    assert b"refresh_token=i" in (body or b"")
    assert authorizer(tokens, Credential(registry_token="r")).header("web", "a") == "Bearer r"


@pytest.mark.parametrize(
    ("challenge", "tokens"),
    [
        ("Negotiate", Tokens()),
        ("", Tokens()),
        ('Bearer realm="ftp://x"', Tokens()),
        ('Bearer realm="https://[x"', Tokens()),
        (BEARER, Tokens(expires_in=10**400)),
        (BEARER, lambda *_: (200, b"[" * 200_000)),
        (BEARER, Tokens(401)),
        (BEARER, Tokens(500)),
        (BEARER, Tokens(token="a\r\nb")),
        (BEARER, Tokens(token=[])),
        (BEARER, Tokens(expires_in="soon")),
    ],
)
def test_what_gives_no_token_is_refused(challenge: str, tokens: Fetch) -> None:
    found = Authorizer("r.example", lambda _: None, tokens)
    with pytest.raises(Refused):
        answer_and_go_on(found, challenge)


def test_a_wrong_password_is_not_tried_for_ever() -> None:
    found = Authorizer("r.example", lambda _: Credential("u", "p"), Tokens())
    found.answer('Basic realm="x"', "scope", None)
    tried = found.header("web", "scope")
    with pytest.raises(Refused, match="log in"):
        found.answer('Basic realm="x"', "scope", tried)


def test_a_registry_with_basic_authentication(
    root: Path, tmp_path: Path, authority: Issued, server_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with registry(root, tmp_path, tls=server_certificate, auth=basic_auth(tmp_path)) as host:
        access = RegistryAccess(ca=authority.certificate, auth_file=login(tmp_path, host))
        found = gather([f"docker://{host}/shop/web:r1"], pull=PullOptions(access))
        assert found.release.images[0] in expected(root).release.images
        access = RegistryAccess(ca=authority.certificate, auth_file=login(tmp_path, host, password="wrong"))
        with pytest.raises(SourceError) as caught:
            gather([f"docker://{host}/shop/web:r1"], pull=PullOptions(access))
        assert "does not accept the user and password" in caught.value.findings[0]
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(SourceError) as caught:
            gather([f"docker://{host}/shop/web:r1"], pull=PullOptions(access))
        assert f"log in with 'skopeo login {host}'" in caught.value.findings[0]
    assert PASSWORD not in caplog.text
    assert Credential(USER, PASSWORD).basic not in caplog.text


def test_a_registry_with_tokens(
    root: Path, tmp_path: Path, authority: Issued, server_certificate: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = TokenServer(server_certificate, {USER: PASSWORD})
    with http_server(tokens, server_certificate) as realm:
        auth = {
            "token": {
                "realm": f"https://{realm}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(authority.certificate),
            }
        }
        with registry(root, tmp_path, tls=server_certificate, auth=auth) as host:
            access = RegistryAccess(ca=authority.certificate, auth_file=login(tmp_path, host))
            names = [f"docker://{host}/shop/web:r1", f"docker://{host}/proxy:r1"]
            found = gather(names, pull=PullOptions(access))
            assert set(found.release.images) <= set(expected(root).release.images)
            assert len(tokens.asked) == 2  # one for each repository
            access = RegistryAccess(ca=authority.certificate, auth_file=login(tmp_path, host, "somebody"))
            with pytest.raises(SourceError) as caught:
                gather(names, pull=PullOptions(access))
            assert "does not allow this user" in caught.value.findings[0]
    secrets = [PASSWORD, *(authorization or "?" for _, authorization in tokens.asked), "Bearer ey"]
    assert not [secret for secret in secrets if secret in caplog.text]


def test_plain_http_is_for_this_machine() -> None:
    with pytest.raises(Exception, match="--plain-http is only for this machine"):
        gather(["docker://registry.example/shop/web:r1"], pull=PullOptions(PLAIN))
