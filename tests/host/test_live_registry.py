"""Registries are found by the ports on which they listen."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from airpatch.host import live_registry


class Guarded(BaseHTTPRequestHandler):
    """Answers as a registry that wants a password."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Guarded)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_registry_tells_the_version_of_its_api(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_registry, "_ports", lambda: {port})
    assert live_registry.registries().text == f"http://127.0.0.1:{port} has the API registry/2.0"


def test_something_else_at_the_port_is_no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        monkeypatch.setattr(live_registry, "_PATIENCE", 0.05)
        monkeypatch.setattr(live_registry, "_ports", lambda: {server.getsockname()[1]})
        assert live_registry.registries().text == "none is running on this host"
        monkeypatch.setitem(sys.modules, "ssl", None)  # a Python that was built without OpenSSL
        assert live_registry.registries().text == "none is running on this host"


def test_the_ports_of_a_process_are_found() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        assert server.getsockname()[1] in set(live_registry._ports_of(Path("/proc/self")))
