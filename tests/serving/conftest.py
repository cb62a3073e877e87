"""Running registries of ours."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import airpatch
from tests.registry_api.sample import make_root, make_tree


class Serving:
    """A registry that `airpatch.serve` runs in a thread, at `host`."""

    def __init__(self, host: str) -> None:
        self.host = host

    def get(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Status, body and headers of the answer; names of `headers` have `_` for `-`."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            known = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, known)
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def error(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and code of an error."""
        status, body, _ = self.get(path, method)
        return status, json.loads(body)["errors"][0]["code"]


@contextmanager
def serving(*bundles: Path, **options: Any) -> Iterator[Serving]:
    stop = airpatch.Cancellation()
    ready = threading.Event()
    found: list[airpatch.Served] = []
    failed: list[BaseException] = []

    def started(served: airpatch.Served) -> None:
        found.append(served)
        ready.set()

    def run() -> None:
        try:
            execution = airpatch.Execution(cancellation=stop)
            airpatch.serve(list(bundles), listen="127.0.0.1:0", started=started, execution=execution, **options)
        except BaseException as error:  # noqa: BLE001 - raised where the registry was asked for
            failed.append(error)
        ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        if failed:
            raise failed[0]
        yield Serving(found[0].address)
    finally:
        stop.cancel()
        thread.join()
    if failed:
        raise failed[0]


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """Starts registries; they end with the test."""
    with ExitStack() as stack:
        yield lambda *bundles, **options: stack.enter_context(serving(*bundles, **options))


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Full bundles of two releases, one repacked, the patch between them, and a root with the first."""
    folder = tmp_path_factory.mktemp("bundles")
    r1, r2 = (make_tree(folder / name, name) for name in ("r1", "r2"))
    made = {name: folder / f"{name}.tar.zst" for name in ("full1", "full2", "patch", "repacked")}
    airpatch.create(r1, made["full1"])
    airpatch.create(r2, made["full2"])
    airpatch.create(r2, made["repacked"], repack=True, effort="fast")
    airpatch.diff(made["full1"], r2, made["patch"], effort="fast")
    return {**made, "root": make_root(folder / "with-root")}
