"""Real images in two releases: full bundles, a patch, a merge and roots agree to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.pack import pack
from airpatch.archive.prepared import PreparedBundle
from airpatch.blobs.output import destination
from airpatch.format.index import Index
from airpatch.patches.bases import open_base
from airpatch.patches.patch_plan import plan_patch
from airpatch.sources.gather import gather
from tests.patches.support import merge
from tests.support import execution
from tests.target.support import blob_file, install, outside, served

IMAGES = Path(__file__).parents[2] / "fixtures/images"


def write(bundle: PreparedBundle, path: str) -> None:
    with destination(path) as sink:
        pack(bundle, sink, execution())


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`r1`, `r2` and the patch `r1-r2`."""
    folder = tmp_path_factory.mktemp("bundles")
    for number, name in enumerate(["r1", "r2"], 1):
        gathered = gather([f"dir:{IMAGES / name}"], name=name, sequence=number)
        write(PreparedBundle(Index.full(gathered.release), gathered.manifests, gathered.content), str(folder / name))
    index = plan_patch(gathered.release, [open_base(str(folder / "r1"), gathered.release)])
    write(PreparedBundle(index, gathered.manifests, gathered.content), str(folder / "r1-r2"))
    return folder


def test_a_patch_holds_what_differs(bundles: Path) -> None:
    index = BundleFile(str(bundles / "r1-r2")).index
    old = {blob.digest for blob in BundleFile(str(bundles / "r1")).index.release.blobs}
    assert {blob.digest for blob in index.left_out} == {b.digest for b in index.release.blobs} & old
    assert 0 < len(index.stored) < len(index.release.blobs)
    assert (bundles / "r1-r2").stat().st_size < (bundles / "r2").stat().st_size


def test_merging_gives_the_bundle_of_the_sender(bundles: Path, place: Path) -> None:
    merged = merge([BundleFile(str(bundles / "r1")), BundleFile(str(bundles / "r1-r2"))])
    write(merged, str(place / "merged"))
    assert (place / "merged").read_bytes() == (bundles / "r2").read_bytes()


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_full_bundles_and_patches_fill_a_root_alike(bundles: Path, place: Path, kind: str) -> None:
    r1, r2, patch = ((bundles / name).read_bytes() for name in ("r1", "r2", "r1-r2"))
    install(place / "full", r1, kind=kind)
    install(place / "full", r2, kind=kind)
    install(place / "patched", r1, patch, kind=kind)
    assert outside(place / "full") == outside(place / "patched")
    tags = served(place / "full")
    assert {name.rpartition(":")[2] for name in tags} == {"r1", "r2", "stable"}
    for name, digest in tags.items():
        folder = IMAGES / ("r1" if name.endswith("r1") else "r2") / name
        assert (folder / "manifest.json").read_bytes() == blob_file(place / "full", digest).read_bytes()


def test_the_root_gives_the_release_again(bundles: Path, place: Path) -> None:
    install(place / "root", (bundles / "r1").read_bytes())
    gathered = gather([f"registry:{place / 'root'}"], name="r1", sequence=1)
    write(PreparedBundle(Index.full(gathered.release), gathered.manifests, gathered.content), str(place / "again"))
    assert (place / "again").read_bytes() == (bundles / "r1").read_bytes()
