"""Each part of each operation does exactly what it announced, whatever the method of a layer patch."""

from __future__ import annotations

import contextlib
import inspect
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

import airpatch
from airpatch import Execution
from airpatch.archive.bundle_file import BundleFile
from airpatch.layers.recipe import (
    Corrected,
    CorrectedFrames,
    FrameReplay,
    Frames,
    Method,
    Plain,
    Raw,
    Replay,
    Replica,
    read_header,
)
from tests.layers.support import ENCODERS, changed, ends_stored, framed, layer, zstd
from tests.operations.conftest import write_images
from tests.support import Recorder, execution

SIZE = 40_000
FOLLOWED = 200_000
"""Bytes of a layer of which enough stays for the decisions of its source to be taken over, if a byte is flipped."""
Run = Callable[[Path, Execution], object]


def frames(tar: bytes) -> bytes:
    """As zstd:chunked has it, by an encoder that no replica is."""
    parameters = zstandard.ZstdCompressionParameters(strategy=zstandard.STRATEGY_GREEDY, min_match=6, chain_log=7)
    encoder = zstandard.ZstdCompressor(compression_params=parameters)
    return b"".join(encoder.compress(tar[at : at + 1024]) for at in range(0, len(tar), 1024))


def flipped(tar: bytes, number: int) -> bytes:
    place = len(tar) // 2 + number
    return tar[:place] + bytes([tar[place] ^ 1]) + tar[place + 1 :]


LAYERS: dict[type[Method], Callable[[bytes], bytes]] = {
    Plain: bytes,
    Replica: ENCODERS["go"],
    Replay: ENCODERS["huffman"],
    Corrected: ENCODERS["flushed"],
    Frames: framed("kzstd-1.17.8-fastest", 1000),
    FrameReplay: zstd,
    CorrectedFrames: ends_stored("kzstd-1.17.8-fastest"),
    Raw: frames,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trees `images-1` to `images-3`, bundles of them, patches, and a root with r1."""
    folder = tmp_path_factory.mktemp("progress")
    tars = [layer(number, size=FOLLOWED if method is Replica else SIZE) for number, method in enumerate(LAYERS)]
    for number in (1, 2, 3):
        encoded = [encode(tar) for encode, tar in zip(LAYERS.values(), tars, strict=True)]
        write_images(folder / f"images-{number}", {f"shop/web:r{number}": encoded, "shop/base:r1": encoded[:1]})
        airpatch.create(folder / f"images-{number}", folder / f"{number}", execution=execution())
        tars = [flipped(tar, number) if len(tar) > FOLLOWED else changed(tar, number) for tar in tars]
    airpatch.create(folder / "images-2", folder / "repacked", repack=True, effort="fast", execution=execution())
    airpatch.diff(folder / "1", folder / "images-2", folder / "1-2", execution=execution())
    airpatch.diff(folder / "2", folder / "images-3", folder / "2-3", effort="fast", execution=execution())
    airpatch.apply(folder / "1", folder / "root", execution=execution())
    for number in (1, 2):
        airpatch.store_add(folder / "store", folder / f"{number}", sequence=number, execution=execution())
    airpatch.plan(folder / "store", folder / "plan", to=["r2"], last=1, execution=execution())
    airpatch.work(folder / "store", folder / "plan", execution=execution())
    return folder


def test_the_patch_has_every_method(place: Path) -> None:
    methods = []
    with BundleFile(str(place / "1-2")) as bundle:
        for step in bundle.index.steps:
            with closing(bundle.open(step.patch, step.patch_size)) as patch:
                methods.append(read_header(patch, step.patch_size).method)
    assert set(map(type, methods)) == set(LAYERS)
    assert [method.like for method in methods if isinstance(method, Replica)] == [(0,)]


def fresh(place: Path) -> Path:
    """A folder for parts."""
    shutil.rmtree(place / "parts", ignore_errors=True)
    return place / "parts"


def damaged(place: Path) -> Path:
    """A copy of a bundle in which a byte is wrong, and `request`, which says so."""
    content = bytearray((place / "1").read_bytes())
    content[len(content) // 2] ^= 1
    (place / "damaged").write_bytes(content)
    with contextlib.suppress(airpatch.FormatError, airpatch.IntegrityError):
        airpatch.verify(place / "damaged", request=place / "request", execution=execution())
    return place / "request"


def split_once(place: Path) -> Path:
    """The parts of a bundle, one of them lost."""
    made = airpatch.split(place / "2", fresh(place), size=256 << 10, parity=1, execution=execution())
    made.files[0].unlink()
    return place / "parts"


def added(place: Path, *, planned: bool = False) -> Path:
    """A store of two releases in which nothing is known of layers, or in which their patches are planned."""
    store = emptied(place)
    for number in (1, 2):
        airpatch.store_add(store, place / f"{number}", sequence=number, execution=execution())
    if planned:
        airpatch.plan(store, place / "plan", to=["r2"], last=1, execution=execution())
    return store


def emptied(place: Path) -> Path:
    """Where a store may be made."""
    shutil.rmtree(place / "new store", ignore_errors=True)
    return place / "new store"


OPERATIONS: dict[str, tuple[list[str], Run]] = {
    "create": (
        ["packing r1"],
        lambda place, work: airpatch.create(place / "images-1", place / "out", execution=work),
    ),
    "create --repack": (
        ["looking at layers", "making layer patches", "packing r2"],
        lambda place, work: airpatch.create(place / "images-2", place / "out", repack=True, execution=work),
    ),
    "create of a repacked bundle": (
        ["rebuilding layers of r2", "packing r2"],
        lambda place, work: airpatch.create(place / "repacked", place / "out", execution=work),
    ),
    "diff": (
        ["looking at layers", "making layer patches", "packing r2"],
        lambda place, work: airpatch.diff(place / "1", place / "images-2", place / "out", execution=work),
    ),
    "diff without layer patches": (
        ["packing r2"],
        lambda place, work: airpatch.diff(
            place / "1", place / "images-2", place / "out", layer_patches=False, execution=work
        ),
    ),
    "explain": (
        [
            "looking at layers",
            "making layer patches",
            "looking for what costs",
            "packing r2",
            "looking for what changed",
        ],
        lambda place, work: airpatch.explain(place / "1", place / "images-2", execution=work),
    ),
    "split": (
        ["splitting 1"],
        lambda place, work: airpatch.split(place / "1", fresh(place), size=1 << 20, parity=1, execution=work),
    ),
    "join": (
        ["joining 2"],
        lambda place, work: airpatch.join(split_once(place), place / "out", execution=work),
    ),
    "topup": (
        ["reading 1", "looking for damage in 1"],
        lambda place, work: airpatch.topup(place / "1", damaged(place), place / "out", execution=work),
    ),
    "apply": (
        ["reading r1"],
        lambda place, work: airpatch.apply(place / "1", place / "new", execution=work),
    ),
    "apply again": (
        ["checking the target", "reading r1"],
        lambda place, work: airpatch.apply(place / "1", place / "root", execution=work),
    ),
    "apply --dry-run --deep": (
        ["checking the target"],
        lambda place, work: airpatch.apply(
            place / "1-2", place / "root", deep=True, allow_downgrade=True, dry_run=True, execution=work
        ),
    ),
    "apply a chain and restore": (
        ["reading r2", "reading r3", "rebuilding layers of r2", "rebuilding layers of r3", "restoring images"],
        lambda place, work: airpatch.apply(
            [place / "1-2", place / "2-3"],
            place / "root",
            allow_downgrade=True,
            restore_to=place / "restored",
            execution=work,
        ),
    ),
    "merge": (
        ["rebuilding layers of r2", "rebuilding layers of r3", "packing r3"],
        lambda place, work: airpatch.merge([place / "1", place / "1-2", place / "2-3"], place / "out", execution=work),
    ),
    "merge --patch": (
        ["reading blobs of intermediate releases", "packing r3"],
        lambda place, work: airpatch.merge(
            [place / "1-2", place / "2-3"], place / "out", patches_only=True, execution=work
        ),
    ),
    "restore a root": (
        ["restoring images"],
        lambda place, work: airpatch.restore(place / "root", place / "layout", form="oci", execution=work),
    ),
    "restore a repacked bundle": (
        ["rebuilding layers of r2", "restoring images"],
        lambda place, work: airpatch.restore(place / "repacked", place / "tree", execution=work),
    ),
    "verify a bundle": (
        ["verifying", "rebuilding layers of r2"],
        lambda place, work: airpatch.verify(place / "repacked", execution=work),
    ),
    "verify a patch": (
        ["verifying"],
        lambda place, work: airpatch.verify(place / "1-2", execution=work),
    ),
    "verify --base": (
        ["verifying", "rebuilding layers of r2"],
        lambda place, work: airpatch.verify(place / "1-2", base=place / "1", execution=work),
    ),
    "verify a root": (
        ["verifying"],
        lambda place, work: airpatch.verify(place / "root", execution=work),
    ),
    "inspect --layers of images": (
        ["looking at layers"],
        lambda place, work: airpatch.inspect(place / "images-1", layers=True, execution=work),
    ),
    "inspect --layers of a patch": (
        ["looking at layers"],
        lambda place, work: airpatch.inspect(place / "1-2", layers=True, execution=work),
    ),
    "store_add": (
        ["adding blobs to", "looking at layers"],
        lambda place, work: airpatch.store_add(emptied(place), place / "images-1", execution=work),
    ),
    "plan": (
        ["looking at layers"],
        lambda place, work: airpatch.plan(
            added(place), place / "out", to=["r2"], last=1, execution=replace(work, memory=2 << 30)
        ),
    ),
    "work": (
        ["making layer patches"],
        lambda place, work: airpatch.work(added(place, planned=True), place / "plan", execution=work),
    ),
    "collect": (
        ["packing r2"],
        lambda place, work: airpatch.collect(place / "store", "r1", "r2", place / "out", execution=work),
    ),
    "store_verify": (
        ["verifying"],
        lambda place, work: airpatch.store_verify(place / "store", execution=work),
    ),
    "rollback": (
        [],
        lambda place, work: airpatch.rollback(place / "root", "r1", execution=work),
    ),
}


def test_every_operation_is_tried() -> None:
    """Those that need another host or a registry are tried where these are."""
    elsewhere = {"push", "send", "serve"}
    public = {name: getattr(airpatch, name) for name in dir(airpatch)}
    long = {
        name
        for name, operation in public.items()
        if inspect.isfunction(operation) and "execution" in inspect.signature(operation).parameters
    }
    assert long - elsewhere == {name.split()[0] for name in OPERATIONS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_announced_is_done(name: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    labels, run = OPERATIONS[name]
    progress = Recorder()
    run(place, execution(2, progress))
    assert [label.removesuffix(f" {place}").split(f" {place}/")[0] for label in progress.labels] == labels
    assert [(part.label, part.done) for part in progress.parts] == [(part.label, part.total) for part in progress.parts]
    assert progress.adds_up
    assert all(part.total for part in progress.parts if part.label != "reading blobs of intermediate releases")


def test_the_image_and_the_layer_at_hand_are_told(place: Path, tmp_path: Path) -> None:
    progress = Recorder()
    airpatch.create(place / "images-1", tmp_path / "out", execution=execution(2, progress))
    assert any(item.startswith("shop/base:r1 ") for part in progress.parts for item in part.items)


@pytest.mark.parametrize("name", [name for name, (labels, _) in OPERATIONS.items() if labels])
def test_work_that_is_cancelled_ends(name: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By CancelledError, at the first byte of any part, and what was there stays as it is."""
    from concurrent.futures import CancelledError

    monkeypatch.chdir(tmp_path)
    (place / "out").write_text("old")
    work = execution()
    work.cancellation.cancel()
    with pytest.raises(CancelledError):
        OPERATIONS[name][1](place, work)
    assert (place / "out").read_text() == "old"
