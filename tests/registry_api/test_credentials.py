"""Credentials in the files of docker and podman, and from credential helpers."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from airpatch.errors import UsageError
from airpatch.registry_api.credentials import Credential, find_credential


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def entry(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def helper(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread host\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_narrowest_entry_counts(home: Path) -> None:
    file = write(
        home / "auth", {"auths": {"r:1": entry("a", "1"), "r:1/shop": entry("b", "2:3"), "q": entry("c", "4")}}
    )
    assert find_credential("r:1", "shop/web", file) == Credential("b", "2:3")
    assert find_credential("r:1", "shopping", file) == Credential("a", "1")
    assert find_credential("other", "shop/web", file) is None


def test_files_are_read_in_the_order_of_skopeo(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [home / ".docker/config.json", home / ".config/containers/auth.json", home / "run/containers/auth.json"]
    assert find_credential("r", "web", None) is None
    for number, place in enumerate(places):
        write(place, {"auths": {"r": entry("user", str(number))}})
        assert find_credential("r", "web", None) == Credential("user", str(number))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(write(home / "own", {"auths": {"r": entry("own", "x")}})))
    assert find_credential("r", "web", None) == Credential("own", "x")


def test_docker_hub_has_an_old_name(home: Path) -> None:
    file = write(home / "auth", {"auths": {"https://index.docker.io/v1/": entry("a", "1")}})
    assert find_credential("docker.io", "library/alpine", file) == Credential("a", "1")


def test_tokens_are_understood(home: Path) -> None:
    file = write(home / "auth", {"auths": {"r": {"identitytoken": "i"}, "q": {"registrytoken": "t"}, "e": {}}})
    assert find_credential("r", "web", file) == Credential(identity_token="i")
    assert find_credential("q", "web", file) == Credential(registry_token="t")
    assert find_credential("e", "web", file) is None


def test_helpers_are_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """echo '{"Username": "u", "Secret": "'$host'"}'"""
    helper(home, "pass", body, monkeypatch)
    helper(home, "token", """echo '{"Username": "<token>", "Secret": "t"}'""", monkeypatch)
    helper(home, "none", "echo credentials not found in native keychain; exit 1", monkeypatch)
    file = write(home / "auth", {"credHelpers": {"r": "token", "n": "none"}, "credsStore": "pass"})
    assert find_credential("r", "web", file) == Credential(identity_token="t")
    assert find_credential("n", "web", file) is None
    assert find_credential("q", "web", file) == Credential("u", "q")
    assert find_credential("docker.io", "web", file) == Credential("u", "https://index.docker.io/v1/")


def test_helpers_that_fail_are_told_without_what_they_say(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, "broken", "echo my secret; exit 3", monkeypatch)
    helper(home, "silly", "echo my secret", monkeypatch)
    helper(home, "odd", """echo '{"Username": "u", "Secret": {"my secret": 1}}'""", monkeypatch)
    for name, message in {
        "broken": "fails",
        "silly": "no user",
        "odd": "no user",
        "absent": "not installed",
        "../x": "not the",
    }.items():
        file = write(home / "auth", {"credsStore": name})
        with pytest.raises(UsageError, match=message) as caught:
            find_credential("r", "web", file)
        assert "my secret" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 200_000,
        b'{"auths": {"r": {"auth": "%"}}}',
        b'{"auths": {"r": {"auth": "\\u00e9"}}}',
        b'{"auths": {"r": {"username": "\\ud800", "password": "p"}}}',
        b'{"auths": {"r": {"registrytoken": "a\\r\\nb"}}}',
    ],
)
def test_files_that_are_no_credentials_are_refused(home: Path, content: bytes) -> None:
    (home / "auth").write_bytes(content)
    with pytest.raises(UsageError, match="auth"):
        find_credential("r", "web", home / "auth")
    with pytest.raises(UsageError, match="cannot be read"):
        find_credential("r", "web", home / "absent")


def test_a_credential_shows_no_secret() -> None:
    assert "secret" not in repr(Credential("u", "secret1", "secret2", "secret3"))
    assert Credential("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 2
