"""The command `serve` as a process: TLS, signals, and what it prints."""

from __future__ import annotations

import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import check_document, start
from tests.registry_api.authority import issue, make_authority


@contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Have the process end with the test, whatever becomes of that."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals, bundles: dict[str, Path], tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    server = issue(tmp_path, "server", authority)
    tls = ("--cert", server.certificate, "--key", server.key)
    with start("serve", bundles["full1"], "--listen", "127.0.0.1:0", *tls, "--json") as process, ending(process):
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        assert line.startswith("airpatch: serving 7 images at https://127.0.0.1:")
        address = line.split()[-1]
        context = ssl.create_default_context(cafile=str(authority.certificate))
        with urllib.request.urlopen(address, context=context) as answer:
            assert answer.status == 200
        process.send_signal(number)
        out, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        assert check_document(out.decode())["address"] in address
