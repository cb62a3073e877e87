"""Credentials for registries, where `docker login`, `podman login` and `skopeo login` leave them.

The files are docker's `config.json` and containers' `auth.json` (containers-auth.json(5)), read in the order in which
skopeo reads them; a credential helper is a program `docker-credential-NAME` (docker/docker-credential-helpers). Secrets
appear in no message and no `repr`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airpatch.errors import UsageError
from airpatch.registry_api.address import HUB

_MAX_FILE = 4 << 20
_HELPER_TIME = 60
"""Seconds for a credential helper, which may ask an agent or a cloud's API."""
_TOKEN_USER = "<token>"  # noqa: S105 - the user's name by which a helper says that its secret is an identity token
_HUB_KEYS = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Credential:
    """A user and password, or a token: an `identity_token` to be exchanged for others, or one for the registry."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_credential(host: str, repository: str, auth_file: Path | None) -> Credential | None:
    """Return the credential for `repository` at `host`, None if there is none.

    Raises UsageError for a file or a helper that cannot be used.
    """
    for path in [auth_file] if auth_file is not None else _usual_files():
        data = _read(path, required=auth_file is not None)
        found = _of_file(data, host, repository, path)
        if found is not None:
            return found
    return None


def _usual_files() -> Iterator[Path]:
    env = os.environ
    if named := env.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    if runtime := env.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json"
    else:
        yield Path(f"/run/containers/{os.getuid()}/auth.json")
    home = Path(env.get("HOME") or "/")
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "containers/auth.json"
    yield Path(env.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _read(path: Path, *, required: bool) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        if required or not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
        return {}
    try:
        data = json.loads(content) if len(content) <= _MAX_FILE else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: is not a file of credentials as 'docker login' writes it (JSON)")
    return data


def _of_file(data: Mapping[str, object], host: str, repository: str, path: Path) -> Credential | None:
    helpers = data.get("credHelpers")
    keys = list(_keys(host, repository))
    for key in keys:
        helper = helpers.get(key) if isinstance(helpers, Mapping) else None
        if isinstance(helper, str) and helper:
            return _ask(helper, key, path)
    entries = data.get("auths")
    by_key = {_plain_key(key): value for key, value in entries.items()} if isinstance(entries, Mapping) else {}
    for key in keys:
        if isinstance(entry := by_key.get(key), Mapping) and (found := _of_entry(entry, key, path)) is not None:
            return found
    store = data.get("credsStore")
    if isinstance(store, str) and store:
        return _ask(store, "https://index.docker.io/v1/" if host == HUB else host, path)
    return None


def _keys(host: str, repository: str) -> Iterator[str]:
    """Yield what an entry for `repository` at `host` may be called, the narrowest first."""
    hosts = _HUB_KEYS if host == HUB else (host,)
    parts = repository.split("/")
    for length in range(len(parts), -1, -1):
        for each in hosts:
            yield "/".join((each, *parts[:length]))


def _plain_key(key: str) -> str:
    """Return a key of docker's older versions, which is the URL of an API, as a host."""
    name = key.removeprefix("https://").removeprefix("http://")
    return name if name == key else name.partition("/")[0]


def _of_entry(entry: Mapping[str, object], key: str, path: Path) -> Credential | None:
    def text(name: str) -> str:
        value = entry.get(name)
        return value if isinstance(value, str) else ""

    user, password = text("username"), text("password")
    if encoded := text("auth"):
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            raise UsageError(f"{path}: the entry {key} has an 'auth' that is not base64 of user and password") from None
        password = password.rstrip("\0")
    found = Credential(user, password, text("identitytoken"), text("registrytoken"))
    if not all(map(_is_sendable, (user, password, found.identity_token, found.registry_token))):
        raise UsageError(f"{path}: the entry {key} has characters that no password or token has: log in again")
    return found if found != Credential() else None


def _ask(helper: str, key: str, path: Path) -> Credential | None:
    """Return what the credential helper has for `key`. Raises UsageError if it cannot be asked."""
    program = f"docker-credential-{helper}"
    if "/" in helper:
        raise UsageError(f"{path}: names a credential helper {helper!r:.60}, which is not the name of a program")
    try:
        done = subprocess.run([program, "get"], input=key.encode(), capture_output=True, timeout=_HELPER_TIME)
    except FileNotFoundError:
        raise UsageError(f"{path}: names the credential helper {program}, which is not installed") from None
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError(f"{path}: its credential helper {program} does not answer") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        if "not found" in said.lower():
            return None
        raise UsageError(f"{path}: its credential helper {program} fails for {key}")
    try:
        answer = json.loads(done.stdout)
        user, secret = answer["Username"], answer["Secret"]
        if not _is_sendable(user) or not _is_sendable(secret):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{path}: its credential helper {program} gives no user and secret for {key}") from None
    return Credential(identity_token=secret) if user == _TOKEN_USER else Credential(user, secret)


def _is_sendable(text: object) -> bool:
    """Return whether `text` can stand in a header or a form: text, and nothing that ends a line."""
    return isinstance(text, str) and not re.search("[\0-\x1f\x7f\ud800-\udfff]", text)
