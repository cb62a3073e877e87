"""A cancelled request ends at once, whatever it waits for: none of these servers ever answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager

import pytest

from airpatch.errors import SourceError
from airpatch.execution import Cancellation
from airpatch.registry_api.access import RegistryAccess
from airpatch.registry_api.address import RegistryPlace
from airpatch.registry_api.transport import Transport
from airpatch.worker_pool import worker_pool
from tests.registry_api.registries import PLAIN


@contextmanager
def _listening(backlog: int = 8) -> Iterator[tuple[str, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}", server


def _head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


@pytest.mark.parametrize(
    ("access", "reply"),
    [
        (PLAIN, b""),
        (PLAIN, b"HTTP/1.1 200 O"),
        (PLAIN, _head(9) + b"some"),
        (PLAIN, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome"),
        (RegistryAccess(timeout=20.0), b""),
    ],
    ids=["no answer", "half a line", "half a body", "half a body of unknown length", "no TLS handshake"],
)
def test_a_wait_for_a_silent_server_ends_when_cancelled(access: RegistryAccess, reply: bytes) -> None:
    cancellation = Cancellation()
    with _listening() as (host, server):
        transport = Transport(RegistryPlace(host, ""), access, SourceError, cancellation)

        def get() -> bytes:
            with transport.request("GET", "/v2/", "web", "scope") as answer:
                return answer.read(1000)

        with closing(transport), worker_pool(1) as pool:
            asking = pool.submit(transport.repeat, get, "it")
            line, _ = server.accept()
            with line:
                assert line.recv(1 << 16)
                line.sendall(reply)
                cancellation.cancel()
                assert isinstance(asking.exception(), CancelledError)


def test_a_wait_for_a_connection_ends_when_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening(backlog=0) as (host, server), ExitStack() as stack:
        for _ in range(2):  # fill its queue: later ones get no answer
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        cancellation = Cancellation()
        transport = stack.enter_context(closing(Transport(RegistryPlace(host, ""), PLAIN, SourceError, cancellation)))
        pool = stack.enter_context(worker_pool(1))
        begun = threading.Event()
        add = transport._lines.add

        def noted(line: socket.socket) -> None:
            add(line)
            begun.set()

        monkeypatch.setattr(transport._lines, "add", noted)
        asking = pool.submit(transport.request, "GET", "/v2/", "web", "scope")
        begun.wait()
        cancellation.cancel()
        assert isinstance(asking.exception(), CancelledError)


def test_what_would_wait_after_the_cancellation_does_not() -> None:
    cancellation = Cancellation()
    with _listening() as (host, _):
        transport = Transport(RegistryPlace(host, ""), PLAIN, SourceError, cancellation)
        with closing(transport), socket.socket() as line:
            cancellation.cancel()
            with pytest.raises(CancelledError):
                transport._lines.add(line)
