"""How a registry demands authentication: basic (RFC 7617) or with bearer tokens.

A registry answers 401 with a challenge (RFC 9110, 11.6.1). For a bearer token the challenge names a token server, which
gives one for a scope against the credentials of the user, or to anybody (distribution `docs/spec/auth/token.md`, and
`oauth.md` for identity tokens).
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from airpatch.registry_api.credentials import Credential

_ITEM = re.compile(r'\s*+,?+\s*+([A-Za-z0-9!#$%&\'*+.^_`|~-]++)(?:\s*+=\s*+("(?:[^"\\]|\\.)*+"|[^\s,"]++))?')
"""Linear in time for any header."""
_CLIENT = "airpatch"
_LEAST_LIFE = 60.0
"""Seconds that a token lasts of which nobody says how long (distribution's `token.md`)."""
_MARGIN = 10.0
"""Seconds before its end from which on a token is not used."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a `WWW-Authenticate` header; the names of scheme and parameters in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges in a header; those that are not understood are left out."""
    found: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = 0
    while (match := _ITEM.match(header, position)) is not None:
        position = match.end()
        name, value = match[1].lower(), match[2]
        if value is None:
            parameters = {}
            found.append(Challenge(name, parameters))
        else:
            parameters[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
    return found


class Refused(Exception):
    """Credentials are required and none are accepted; the text says what to do."""


Fetch = Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, bytes]]
"""Makes a request by method, URL, headers and body, without authorization of its own; return status and body."""


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    until: float


class Authorizer:
    """Keeps what one registry has been shown to accept. For use by many threads.

    `credential` is asked once for each repository; `fetch` gets tokens.
    """

    def __init__(self, server: str, credential: Callable[[str], Credential | None], fetch: Fetch) -> None:
        self._server = server
        self._credential = credential
        self._fetch = fetch
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._tokens: dict[str, _Token] = {}

    def header(self, repository: str, scope: str) -> str | None:
        """Return the Authorization header for a request about `repository`, None before the registry has asked for one.

        Raises Refused.
        """
        with self._lock:
            challenge = self._challenge
            if challenge is None:
                return None
            credential = self._credential(repository)
            if challenge.scheme == "basic":
                return credential.basic if credential is not None else None
            if credential is not None and credential.registry_token:
                return f"Bearer {credential.registry_token}"
            token = self._tokens.get(scope)
            if token is None or token.until < time.monotonic():
                token = self._tokens[scope] = self._get_token(challenge, scope, credential)
            return f"Bearer {token.value}"

    def answer(self, header: str, scope: str, tried: str | None) -> None:
        """Take in the challenges of a 401 to a request that had the Authorization `tried`.

        Raises Refused if there is nothing else to try.
        """
        challenges = {challenge.scheme: challenge for challenge in parse_challenges(header)}
        challenge = challenges.get("bearer") or challenges.get("basic")
        if challenge is None:
            raise Refused(f"{self._server} demands an unknown kind of authentication: {header!r:.100}")
        with self._lock:
            if challenge.scheme == "basic" and tried is not None and tried.startswith("Basic "):
                raise Refused(f"{self._server} does not accept the user and password; log in again: {self._login}")
            token = self._tokens.get(scope)
            if token is not None and tried == f"Bearer {token.value}":
                del self._tokens[scope]
            self._challenge = challenge

    @property
    def _login(self) -> str:
        return f"'skopeo login {self._server}' or 'docker login {self._server}'"

    def wanted(self) -> Refused:
        """Return what to say where there are no credentials, or not enough of them."""
        return Refused(f"{self._server} demands credentials, or does not allow this user: log in with {self._login}")

    def _get_token(self, challenge: Challenge, scope: str, credential: Credential | None) -> _Token:
        named = challenge.parameters.get("realm", "")
        try:
            parts = urlsplit(named)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise Refused(f"{self._server} names no usable token server: {named!r:.100}")
        realm = parts.geturl()
        query = [("service", challenge.parameters.get("service", "")), *(("scope", each) for each in scope.split())]
        headers = {"Accept": "application/json"}
        if credential is not None and credential.identity_token:
            form = [("grant_type", "refresh_token"), ("service", query[0][1]), ("client_id", _CLIENT), ("scope", scope)]
            form.append(("refresh_token", credential.identity_token))
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            status, body = self._fetch("POST", realm, headers, urlencode(form).encode())
        else:
            if credential is not None and credential.user:
                headers["Authorization"] = credential.basic
                query.append(("account", credential.user))
            joint = "&" if parts.query else "?"
            status, body = self._fetch("GET", f"{realm}{joint}{urlencode(query)}", headers, None)
        if status in (401, 403):
            raise self.wanted()
        try:
            answer = json.loads(body) if status == 200 else {}
            value = answer.get("token") or answer.get("access_token")
            life = float(answer.get("expires_in") or _LEAST_LIFE)
        except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
            value, life = None, 0.0
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise Refused(f"{parts.hostname}, which gives tokens for {self._server}, gave none (status {status})")
        return _Token(value, time.monotonic() + max(life - _MARGIN, life / 2))
