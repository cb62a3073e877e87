"""A product line in a store: two products that share layers, three releases each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import airpatch
from airpatch.delta.effort import Effort
from airpatch.product_line.source_questions import PatchSettings
from airpatch.store.release_store import ReleaseStore
from airpatch.store.store_address import parse_store_address
from tests.layers.support import ENCODERS, changed, layer, zstd
from tests.operations.conftest import write_images
from tests.store.conftest import bucket as bucket
from tests.store.conftest import s3_server as s3_server
from tests.support import execution

SETTINGS = PatchSettings(Effort.FAST, 1 << 30)
PRODUCTS = ("amd64", "arm64")
SIZE = 40_000


def layers(release: int, product: str) -> list[bytes]:
    """What an image of the product has: layers that change in each release, two of them in all products, and one that
    stays.
    """
    tars = [layer(number, size=SIZE) for number in range(4)]
    for number in range(1, release):
        tars[1:] = [changed(tar, number) for tar in tars[1:]]
    tars[3] = changed(tars[3], PRODUCTS.index(product) + 10)
    stays, shared, other, own = tars
    return [ENCODERS["go"](stays), ENCODERS["go"](shared), zstd(other), ENCODERS["huffman"](own), bytes(9000)]


def add(store: Path, folder: Path, product: str, release: int, name: str | None = None) -> None:
    """Add a release of `product` to `store`."""
    tree = folder / f"{product}-{release}"
    write_images(tree, {f"shop/web:r{release}": layers(release, product)})
    airpatch.store_add(
        store, tree, release=name or f"r{release}", sequence=release, product=product, execution=execution()
    )


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store."""
    folder = tmp_path_factory.mktemp("line")
    for product in PRODUCTS:
        for release in (1, 2, 3):
            add(folder / "store", folder, product, release)
    return folder / "store"


@pytest.fixture
def line(filled: Path, tmp_path: Path) -> ReleaseStore:
    """A copy of it."""
    shutil.copytree(filled, tmp_path / "line")
    return opened(tmp_path / "line")


def opened(path: Path) -> ReleaseStore:
    return ReleaseStore(parse_store_address(str(path)))


def path_of(store: ReleaseStore) -> Path:
    assert store.address.path is not None
    return store.address.path
