"""A proxy in front of a registry that damages what passes: cut connections, wrong bytes, and all that networks do."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from tests.registry_api.http_server import Cut, Reply, Request, http_server

FAULTS = ("refuse", "lose", "cut", "busy", "broken", "flip", "digest", "slow", "elsewhere")
"""`refuse` cuts before the registry sees the request, `lose` after it has answered; `elsewhere` redirects."""
_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "date", "server")


@dataclass
class FaultProxy:
    """Forwards to `upstream` and damages a `share` of the requests, `budget` of them at most.

    `store` is where redirects lead; it answers without credentials. `seen` counts faults, `sent` bytes of uploads.
    """

    upstream: str
    seed: int = 1
    share: float = 0.5
    budget: int = 50
    faults: tuple[str, ...] = FAULTS
    store: str = ""
    address: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    received: int = 0
    sent: int = 0
    store_headers: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._hurt: Counter[str] = Counter()

    def __call__(self, request: Request) -> Reply:
        fault = self._choose(request)
        with self._lock:
            self.sent += len(request.body)
        if fault == "refuse":
            raise Cut
        if fault == "busy":
            return Reply(429, {"Retry-After": "0"})
        if fault == "broken":
            return Reply(self._random.choice((500, 502, 503, 504)), {"Retry-After": "0"})
        if fault == "elsewhere":
            return Reply(307, {"Location": f"http://{self.store}{request.path}?signature=secret"})
        reply = self.forward(request)
        if fault == "lose":
            raise Cut
        if fault == "flip" and reply.body:
            body = bytearray(reply.body)
            body[self._random.randrange(len(body))] ^= 1
            reply = replace(reply, body=bytes(body))
        if fault == "digest":
            headers = {name: value for name, value in reply.headers.items() if name.lower() != "docker-content-digest"}
            reply = replace(reply, headers={**headers, "Docker-Content-Digest": "sha256:" + "0" * 64})
        if fault == "cut":
            reply = replace(reply, cut=self._random.randrange(len(reply.body) + 1))
        if fault == "slow":
            reply = replace(reply, piece=997)
        with self._lock:
            self.received += len(reply.body if reply.cut is None else reply.body[: reply.cut])
        return reply

    def serve_store(self, request: Request) -> Reply:
        """The blob store that redirects lead to."""
        self.store_headers.append(dict(request.headers))
        if "Authorization" in request.headers or "signature=secret" not in request.path:
            return Reply(400, {}, b"a signature is wanted, and nothing else")
        return self.forward(replace(request, path=request.path.partition("?")[0]))

    def forward(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection(self.upstream)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            connection.request(request.method, request.path, request.body or None, headers)
            response = connection.getresponse()
            body = response.read()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
            if request.method == "HEAD" and "Content-Length" in response.headers:
                kept["Content-Length"] = response.headers["Content-Length"]
            if "Location" in kept:  # so that uploads go on through the proxy
                place = urlsplit(kept["Location"])
                kept["Location"] = f"{place.path}?{place.query}" if place.query else place.path
            return Reply(response.status, kept, body)
        finally:
            connection.close()

    def _choose(self, request: Request) -> str | None:
        """A fault for the request; the same is not damaged three times in a row, which nobody promises to survive.

        Nor four times in all: several threads may ask for the same thing, and one of them get what is whole.
        """
        with self._lock:
            key = f"{request.method} {request.path.partition('?')[0]}"
            in_row = self._last.get(key, 0)
            if self.budget <= 0 or in_row >= 2 or self._hurt[key] >= 4 or self._random.random() >= self.share:
                self._last[key] = 0
                return None
            fault = self._random.choice(self.faults)
            if fault == "elsewhere" and not (
                self.store and request.method == "GET" and "/blobs/sha256" in request.path
            ):
                return None
            if fault in ("flip", "digest") and request.method != "GET":
                return None
            self._last[key] = in_row + 1
            self._hurt[key] += 1
            self.budget -= 1
            self.seen[fault] += 1
            return fault


@contextmanager
def fault_proxy(upstream: str, **options: Any) -> Iterator[FaultProxy]:
    """A running proxy; its `address` is HOST:PORT."""
    proxy = FaultProxy(upstream, **options)
    with http_server(proxy.serve_store) as store, http_server(proxy) as address:
        proxy.store = store
        proxy.address = address
        yield proxy
