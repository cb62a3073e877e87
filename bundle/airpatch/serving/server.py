"""Runs the registry on uvicorn, until it is cancelled or signalled. The only module that knows uvicorn."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airpatch.errors import TargetError, UsageError
from airpatch.execution import Cancellation
from airpatch.extras import require_extra
from airpatch.registry_api.tls import present
from airpatch.serving.application import RegistryApplication

if TYPE_CHECKING:
    import uvicorn

_GRACE = 10
"""Seconds that answers under way have to end."""


def bound_socket(listen: str) -> socket.socket:
    """Return a socket that listens on `HOST:PORT`; with port 0 the system chooses one. Raises UsageError,
    TargetError.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {listen}: write HOST:PORT, such as 127.0.0.1:5000")
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=512
        )
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        raise TargetError(f"{listen}: cannot listen there: {reason}; choose another address with --listen") from None


def run_server(
    application: RegistryApplication,
    listening: socket.socket,
    certificate: Path | None,
    key: Path | None,
    cancellation: Cancellation,
    started: Callable[[], None],
) -> None:
    """Answer requests on `listening` until a signal or `cancellation` ends it; `started` is called when it does.

    Raises UsageError if uvicorn is not installed, or a certificate cannot be used.
    """
    require_extra("serve", "uvicorn")
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

        async def on_tick(self, counter: int) -> bool:
            return await super().on_tick(counter) or cancellation.is_cancelled

    config = uvicorn.Config(
        application,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        ws="none",
    )
    config.load()
    if certificate is not None:
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        present(config.ssl, certificate, key)
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())  # of clients that try TLS first, and the like
    server = Server(config)
    with suppress(asyncio.CancelledError):
        asyncio.run(_serve(server, listening))


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    """Serve; in the main thread, the only one that receives signals, a signal ends it."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop)
    await server._serve([listening])  # `serve` without the signal handlers of its own
