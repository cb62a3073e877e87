"""A small release to restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch import linux
from airpatch.sources.gather import Gathered, gather
from tests.sources.sample_sources import IMAGES
from tests.support import Builder


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts calls of syncfs instead of making them."""
    calls: list[int] = []
    monkeypatch.setattr(linux, "syncfs", calls.append)
    return calls


@pytest.fixture(scope="session")
def images() -> Gathered:
    return gather([str(IMAGES)])


def gathered(builder: Builder) -> Gathered:
    return Gathered(builder.release, builder.manifests, builder.content)


def files(folder: Path) -> dict[str, bytes]:
    """All regular files below `folder`, and links as what they point to."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if not path.is_symlink() else str(path.readlink()).encode()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
