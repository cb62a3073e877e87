"""zstd layers go through every operation as gzip layers do: by replicas, by decisions, and from one into the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

import airpatch
from airpatch.archive.bundle_file import BundleFile
from airpatch.layers.compression import Compression
from airpatch.layers.recipe import FrameReplay, Frames, Method, Replica, read_header
from tests.layers.support import ENCODERS, changed, framed, layer
from tests.operations.conftest import write_images
from tests.support import execution

ENCODER = "kzstd-1.17.8-default"
SIZE = 30_000


def unknown(content: bytes) -> bytes:
    """By an encoder that has no name."""
    return zstandard.ZstdCompressor(level=-1).compress(content)


LAYERS: list[tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = [
    (framed(ENCODER), framed(ENCODER)),
    (ENCODERS["go"], framed(ENCODER)),
    (framed(ENCODER), ENCODERS["go"]),
    (bytes, framed(ENCODER)),
    (unknown, unknown),
    (ENCODERS["go"], unknown),
]
"""How a layer is compressed in the old release, and how in the new one."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trees and bundles of two releases, `r1` and `r2`; `patch` leads from one to the other."""
    folder = tmp_path_factory.mktemp("zstd")
    tars = [layer(2 * number, 2 * number + 1, size=SIZE) for number in range(len(LAYERS))]
    old = [encode(tar) for (encode, _), tar in zip(LAYERS, tars, strict=True)]
    new = [encode(changed(tar)) for (_, encode), tar in zip(LAYERS, tars, strict=True)]
    twin = ENCODERS["go"](changed(tars[0]))  # the same content as the first layer, by another encoder
    write_images(folder / "images-1", {"shop/web:r1": old})
    write_images(folder / "images-2", {"shop/web:r2": [*new, twin]})
    for number in (1, 2):
        airpatch.create(folder / f"images-{number}", folder / f"r{number}", execution=execution())
    airpatch.diff(folder / "r1", folder / "images-2", folder / "patch", execution=execution())
    return folder


def methods(bundle: Path) -> list[Method]:
    found = []
    with BundleFile(str(bundle)) as opened:
        for step in opened.index.steps:
            with closing(opened.open(step.patch, step.patch_size)) as patch:
                found.append(read_header(patch, step.patch_size).method)
    return found


def test_diff_builds_one_upon_the_other(place: Path) -> None:
    """Every layer is a patch: of seven, three are known zstd, two unknown, two gzip; their content travels once."""
    kinds = [type(method) for method in methods(place / "patch")]
    assert (len(kinds), kinds.count(Frames), kinds.count(Replica)) == (7, 3, 2)
    assert FrameReplay in kinds
    assert (place / "patch").stat().st_size < (place / "r2").stat().st_size // 4


def test_merge_gives_the_bundle_of_the_new_release(place: Path) -> None:
    airpatch.merge([place / "r1", place / "patch"], place / "merged", execution=execution())
    assert (place / "merged").read_bytes() == (place / "r2").read_bytes()


def test_verify_carries_the_patches_out(place: Path) -> None:
    verified = airpatch.verify(place / "patch", base=place / "r1", execution=execution())
    assert isinstance(verified, airpatch.VerifiedBundle)
    assert verified.patches_proved


def test_create_repack_packs_content_once(place: Path) -> None:
    airpatch.create(place / "images-2", place / "repacked", repack=True, execution=execution())
    assert {FrameReplay, Replica} <= {type(method) for method in methods(place / "repacked")}
    assert (place / "repacked").stat().st_size < (place / "r2").stat().st_size
    root = place / "root"
    shutil.rmtree(root, ignore_errors=True)
    airpatch.apply(place / "repacked", root, execution=execution())


def test_inspect_names_encoders(place: Path) -> None:
    report = airpatch.inspect(place / "r2", layers=True, execution=execution())
    assert isinstance(report, airpatch.LayersReport)
    found = [layer.encoding for layer in report.layers]
    zstd = [encoding for encoding in found if encoding.compression is Compression.ZSTD]
    assert len(zstd) == 5
    assert sum(ENCODER in encoding.encoders for encoding in zstd) == 3
    assert sum(not encoding.encoders for encoding in zstd) == 2


def test_explain_tells_what_each_layer_costs(place: Path) -> None:
    found = airpatch.explain(place / "r1", place / "images-2", execution=execution())
    patches = [cost.patch for cost in found.costs if cost.patch is not None]
    assert {Frames, FrameReplay, Replica} <= {type(patch.recipe.method) for patch in patches}
    assert all(cost.cost < cost.size for cost in found.costs if cost.patch is not None)
