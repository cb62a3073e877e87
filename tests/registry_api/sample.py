"""The sample images in a registry's storage."""

from __future__ import annotations

import shutil
from pathlib import Path

from airpatch.sources.gather import Gathered, gather
from tests.sources.sample_sources import IMAGES, pack, unpack

NAMES = (
    "infra/extra/deep/tools:r1",
    "infra/settings:r1",
    "proxy:r1",
    "shop/web:r1",
    "shop/worker:r1",
    "shop/worker:stable",
    "tools/packaging:r1",
)


def make_tree(folder: Path, release: str) -> Path:
    """The sample images of a release that a registry can serve, as `dir:` folders: without the one with a port."""
    ignored = shutil.ignore_patterns("*:5000", "signature-*", "*.signature-*")
    shutil.copytree(IMAGES.parent / release, folder, ignore=ignored)
    return folder


def make_root(folder: Path) -> Path:
    """A root with the sample images that a registry can serve: without the one whose name has a port."""
    tree = make_tree(folder / "images", "r1")
    unpack(pack(gather([str(tree)])), folder / "root")
    return folder / "root"


def expected(folder: Path) -> Gathered:
    """What the root that `make_root` gave holds."""
    return gather([f"registry:{folder}"])
