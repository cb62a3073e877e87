"""A real sshd on a port of its own for the user who runs the tests, and a line to it that breaks."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.registry.server import free_port


@contextmanager
def sshd(folder: Path) -> Iterator[int]:
    """A server with keys in `folder`, which dies with this process; gives its port. Skips where it cannot run."""
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if program is None:
        pytest.skip("needs sshd (openssh-server)")
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    if os.geteuid() == 0:  # it goes there before it knows who calls
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "AcceptEnv PYTHONPATH HOME XDG_CACHE_HOME\n"
    )
    log = folder / "sshd.log"
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, "-D", "-E", log, "-f", config]) as process:
        try:
            while not _answers(port):
                assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as connection:
        return connection.recv(3) == b"SSH"
    return False


def ssh_words(folder: Path, port: int) -> str:
    """What `--ssh` takes to reach the server through `port`."""
    options = f"-p {port} -i {folder}/user -l {getpass.getuser()} -F none -o IdentitiesOnly=yes -o BatchMode=yes"
    checks = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    return f"ssh {options} {checks} -o SendEnv=PYTHONPATH -o SendEnv=XDG_CACHE_HOME"


class Line:
    """Passes connections on to `port`. The first that sends more than `limit` bytes breaks there, once `arrived`
    is true.

    `is_half_open`: the server does not learn of it, as where a cable is pulled. `sent` counts bytes to the server.
    """

    def __init__(self, port: int, limit: int, arrived: Callable[[], bool], *, is_half_open: bool) -> None:
        self._server = port
        self._arrived = arrived
        self._limit: int | None = limit
        self._is_half_open = is_half_open
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listening.getsockname()[1]
        self.sent = 0
        self.breaks = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._open += [client, server]
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        count = 0
        with suppress(OSError):
            while piece := client.recv(1 << 14):
                server.sendall(piece)
                count += len(piece)
                self.sent += len(piece)
                if self._limit is not None and count > self._limit:
                    self._limit = None
                    while not self._arrived():
                        time.sleep(0.01)
                    self.breaks += 1
                    client.shutdown(socket.SHUT_RDWR)
                    if not self._is_half_open:
                        server.shutdown(socket.SHUT_RDWR)
                    return
            server.shutdown(socket.SHUT_WR)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(1 << 14):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in (self._listening, *self._open):
            each.close()
