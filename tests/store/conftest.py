"""Stores that tests share: an empty one in a folder, and a bucket in S3."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from airpatch.store.release_store import ReleaseStore, make_store
from airpatch.store.store_address import parse_store_address


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> ReleaseStore:
    return make_store(parse_store_address(str(tmp_path / "store")))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server that keeps objects in memory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-c", "from moto.server import main; main()", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/moto-api/").close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The URL of an empty bucket, which the environment says how to reach."""
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    made = urllib.request.Request(f"{s3_server}/{name}", method="PUT")
    urllib.request.urlopen(made).close()
    set_s3(monkeypatch, s3_server)
    return f"s3://{name}"


def set_s3(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    """Have the environment say that S3 is at `server`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
