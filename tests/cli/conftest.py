"""Bundles of the sample images, made once, and a folder of its own for each test."""

from __future__ import annotations

import math
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import IMAGES, airpatch


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give the signals that the command line catches back to pytest."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine anything may take a second."""
    monkeypatch.setattr("airpatch_cli.progress_display._DELAY", math.inf)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the full bundles r1 and r2 and the patch between them."""
    folder = tmp_path_factory.mktemp("bundles")
    r1, r2, patch = (folder / f"{name}.tar.zst" for name in ("r1", "r2", "r1-r2"))
    for words in (
        ("create", IMAGES / "r1", "--sequence", 1, "-o", r1),
        ("create", IMAGES / "r2", "--sequence", 2, "-o", r2),
        ("diff", "--base", r1, IMAGES / "r2", "--sequence", 2, "--effort", "fast", "-o", patch),
    ):
        outcome = airpatch(*words)
        assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture(scope="session")
def installed(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with release r1 applied, to copy."""
    path = tmp_path_factory.mktemp("installed") / "root"
    assert airpatch("apply", bundles / "r1.tar.zst", "--root", path).code == 0
    return path


@pytest.fixture
def root(installed: Path, tmp_path: Path) -> Path:
    """A root of the test's own with release r1 applied."""
    return shutil.copytree(installed, tmp_path / "root", symlinks=True)
