"""Connections whose waits end when the work is cancelled, instead of at their timeouts.

A thread that waits for a connection, a TLS handshake or an answer wakes up when another one shuts its socket down.
"""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import urllib3
from urllib3 import exceptions

from airpatch.execution import Cancellation


class Lines:
    """The open sockets of a transport. For use by many threads."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._lock = threading.Lock()

    def add(self, line: socket.socket) -> None:
        """Note a socket before it is waited for. Raises CancelledError."""
        with self._lock:
            self._sockets.add(line)
        if self._cancellation.is_cancelled:
            raise CancelledError

    def cut(self) -> None:
        """End all waits."""
        with self._lock:
            lines = list(self._sockets)
        for line in lines:
            with suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # of TLS, too, without a word to the other side

    def within(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Have the sockets that `context` makes noted."""
        add = self.add

        class Line(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                add(self)
                super().do_handshake(block)

        context.sslsocket_class = Line
        return context

    def connect(self, host: str, port: int, timeout: float | None, options: Any) -> socket.socket:
        """Return a connection to the first address of `host` that takes one. Raises OSError."""
        failure = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM):
            line = socket.socket(family, kind, protocol)
            try:
                self.add(line)
                for option in options or ():
                    line.setsockopt(*option)
                line.settimeout(timeout)
                line.connect(address)
            except OSError as error:
                line.close()
                failure = error
            except BaseException:
                line.close()
                raise
            else:
                return line
        raise failure

    def install(self, manager: urllib3.PoolManager) -> None:
        """Have the connections of `manager` noted."""
        connect = self.connect

        def new_connection(connection: urllib3.connection.HTTPConnection) -> socket.socket:
            timeout = connection.timeout
            seconds = timeout if isinstance(timeout, int | float) else None
            try:
                return connect(connection._dns_host, connection.port, seconds, connection.socket_options)
            except socket.gaierror as error:
                raise exceptions.NameResolutionError(connection.host, connection, error) from error
            except TimeoutError as error:
                raise exceptions.ConnectTimeoutError(connection, f"{connection.host} does not answer") from error
            except OSError as error:
                raise exceptions.NewConnectionError(connection, str(error)) from error

        def with_lines(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
            connection = type("Connection", (pool.ConnectionCls,), {"_new_conn": new_connection})
            return type(pool.__name__, (pool,), {"ConnectionCls": connection})

        manager.pool_classes_by_scheme = {
            scheme: with_lines(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
        }
