"""A token server (distribution `docs/spec/auth/token.md`): JSON web tokens against basic credentials."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.registry_api.authority import Issued
from tests.registry_api.http_server import Reply, Request

ISSUER = "the tests"
SERVICE = "the registry"


class TokenServer:
    """Answers requests for tokens; `asked` has the scopes and the Authorization of each."""

    def __init__(self, signer: Issued, users: dict[str, str], *, life: int = 300) -> None:
        self._signer = signer
        self._accepted = {
            "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode() for user, password in users.items()
        }
        self._life = life
        self.asked: list[tuple[list[str], str | None]] = []

    def __call__(self, request: Request) -> Reply:
        query = parse_qs(urlsplit(request.path).query)
        authorization = request.headers.get("Authorization")
        self.asked.append((query.get("scope", []), authorization))
        if authorization not in self._accepted:
            return Reply(401, {}, b'{"details": "no such user"}')
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        token = self._token({"access": access})
        return Reply(200, {"Content-Type": "application/json"}, json.dumps({"token": token}).encode())

    def _token(self, claims: dict[str, object]) -> str:
        now = int(time.time())
        chain = [base64.b64encode(self._signer.subject.public_bytes(Encoding.DER)).decode()]
        header = {"typ": "JWT", "alg": "ES256", "x5c": chain}
        body = {"iss": ISSUER, "sub": "ci", "aud": SERVICE, "exp": now + self._life, "nbf": now - 10, "iat": now - 10}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, {**body, "jti": "1", **claims}))
        r, s = decode_dss_signature(self._signer.signer.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
