"""Bundles of the small images, made once, and roots on which a real registry runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from airpatch_cli.main import main
from tests.registry.server import Registry, missing_programs, serving
from tests.registry.trees import IMAGES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/registry/" in item.nodeid:
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Releases:
    """Trees of three releases, full bundles of two, and patches; `either` leads from r1 or r2 to r3.

    `layers` leads from r1 to r2 with layer patches, the others store whole blobs.

    Without the image whose name begins with `host:port`: no registry can serve it (docs/FAULTS.md).
    """

    r1_tree: Path
    r2_tree: Path
    r3_tree: Path
    r1: Path
    r2: Path
    patch: Path
    either: Path
    layers: Path


def airpatch(*words: str | Path) -> None:
    """Run a command that must succeed."""
    code = main([str(word) for word in (*words, "-q")])
    assert code == 0, f"airpatch {words}: exit code {code}"


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    if missing := missing_programs():
        pytest.skip(f"needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("releases")
    r1_tree, r2_tree, r3_tree = (folder / "trees" / name for name in ("r1", "r2", "r3"))
    for tree in (r1_tree, r2_tree):
        shutil.copytree(IMAGES / tree.name, tree, ignore=shutil.ignore_patterns("*:5000"))
    for old, new in {
        "r2/shop/web:r2": "shop/web:r3",
        "r1/shop/worker:stable": "shop/worker:stable",
        "r2/shop/worker:r2": "shop/worker:r3",
        "r1/tools/packaging:r1": "tools/packaging:r3",
        "r2/proxy:r2": "proxy:r3",
    }.items():
        shutil.copytree(IMAGES / old, r3_tree / new)
    files = (folder / f"{name}.tar.zst" for name in ("r1", "r2", "patch", "any", "layers"))
    found = Releases(r1_tree, r2_tree, r3_tree, *files)
    airpatch("create", r1_tree, "-o", found.r1)
    airpatch("create", r2_tree, "-o", found.r2)
    whole_blobs = ("diff", "--no-layer-patches")
    airpatch(*whole_blobs, "--base", found.r1, r2_tree, "-o", found.patch)
    airpatch("diff", "--base", found.r1, r2_tree, "-o", found.layers)
    airpatch(*whole_blobs, "--base", found.r1, "--base", found.r2, r3_tree, "-o", found.either)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], Registry]]:
    """Starts registries on roots; they end with the test."""
    if missing := missing_programs():
        pytest.skip(f"needs {', '.join(missing)}")
    with ExitStack() as stack:
        yield lambda root: stack.enter_context(serving(root, tmp_path))
