"""Sources that the tests of this package share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airpatch.destinations.destination import Destination
from airpatch.destinations.restorer import restore_images
from tests.sources.sample_sources import IMAGES
from tests.support import Builder, execution


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restoring makes the trees of these tests, which need not outlive a power cut."""
    monkeypatch.setattr(Destination, "sync", lambda _: None)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sample images, to be damaged."""
    return Path(shutil.copytree(IMAGES, tmp_path / "tree"))


class Trees:
    """Makes trees of tiny `dir:` images below a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self, name: str, builder: Builder) -> Path:
        restore_images(builder.images, builder.manifests, builder.content, self._path / name, execution())
        return self._path / name

    def simple(self, name: str, *images: str, layer: bytes = b"layer") -> Path:
        """A tree of images that all hold `layer`."""
        builder = Builder()
        for image in images:
            builder.tag(image, builder.picture([layer]))
        return self.make(name, builder)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)
