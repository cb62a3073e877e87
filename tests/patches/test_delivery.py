"""Blobs that patches make are passed on as they are made, and what nobody reads any more takes no space."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import airpatch
from airpatch.archive.bundle_file import BundleFile
from airpatch.blobs.content import Content, read_blob
from airpatch.blobs.scratch import MemoryScratch
from airpatch.destinations.supply import Supply
from airpatch.errors import TargetError
from airpatch.execution import Execution
from airpatch.model.digest import Digest
from airpatch.patches import delivery as delivery_module
from airpatch.patches.completed_release import CompletedRelease
from airpatch.patches.delivery import Delivery
from airpatch.progress import NO_PROGRESS, Progress
from airpatch.registry_api.remote_blobs import RemoteBlob, RemoteBlobs
from tests.layers.support import ENCODERS, changed, layer, replica, zstd
from tests.operations.conftest import write_images
from tests.registry_api.store import Store
from tests.support import Recorder, execution

ENCODED = (bytes, ENCODERS["go"], ENCODERS["huffman"], ENCODERS["flushed"], zstd)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[BundleFile]]:
    """A full bundle and two patches that follow it, most of their layers made by layer patches."""
    folder = tmp_path_factory.mktemp("delivery")
    tars = [layer(number, size=30_000) for number in range(len(ENCODED))]
    files = [folder / "full", folder / "1-2", folder / "2-3"]
    for number in (1, 2, 3):
        tree = folder / f"images-{number}"
        encoded = [encode(tar) for encode, tar in zip(ENCODED, tars, strict=True)]
        write_images(tree, {f"shop/web:r{number}": encoded, "shop/base:r1": encoded[:1]})
        airpatch.create(tree, folder / f"{number}")
        if number > 1:
            airpatch.diff(folder / f"{number - 1}", tree, files[number - 1], effort="fast")
        tars = [changed(tar, number) for tar in tars]
    airpatch.create(folder / "images-1", files[0])
    opened = [BundleFile(str(file)) for file in files]
    yield opened
    for bundle in opened:
        bundle.close()


def scratch() -> int:
    return os.memfd_create("delivered")


def scratch_left() -> int:
    """Bytes that still lie in scratch files, once errors and what their tracebacks hold are gone."""
    gc.collect()
    total = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if "memfd:delivered" in str(Path(f"/proc/self/fd/{name}").readlink()):
                total += Path(f"/proc/self/fd/{name}").stat().st_blocks * 512
    return total


def work(progress: Progress = NO_PROGRESS) -> Execution:
    return replace(execution(2, progress), scratch=scratch)


@dataclass
class Taker:
    """Reads what is given, in threads of its own; `hook` runs before."""

    hook: Callable[[], None] = lambda: None
    found: dict[Digest, bytes] = field(default_factory=dict)

    def run(self, supply: Supply, wanted: dict[Digest, int], work: Execution) -> None:
        with ThreadPoolExecutor(2) as pool:

            def read(digest: Digest, content: Content, taken: Callable[[], None]) -> None:
                try:
                    self.hook()
                    assert digest not in self.found
                    self.found[digest] = read_blob(content, digest, wanted[digest])
                finally:
                    taken()

            def take(*given: Any) -> None:
                running.append(pool.submit(read, *given))

            running: list[Future[None]] = []
            total = supply.prepare(wanted, work)
            with work.part("all of it", total) as part:
                supply.give(take, replace(work, progress=part.within()))
            for future in running:
                future.result()


def release(bundles: list[BundleFile], base: Content) -> tuple[CompletedRelease, dict[Digest, int]]:
    """The release that the patches lead to upon `base`, and the blobs of it that are not manifests."""
    made = CompletedRelease(bundles[1:], base)
    return made, {blob.digest: blob.size for blob in made.release.blobs if not blob.is_manifest}


def remote(bundles: list[BundleFile], store: Store) -> RemoteBlobs:
    """What the first bundle has of the sources of the patches, as it would be in a registry."""
    blobs = RemoteBlobs(scratch, None, "registry", 3)
    for source in (source for patch in bundles[1:] for source in patch.index.sources):
        if bundles[0].size(source.digest) is not None:
            blobs.known[source.digest] = RemoteBlob(store, source.size)
    return blobs


def test_each_blob_is_given_once_and_given_up_when_it_was_taken(bundles: list[BundleFile]) -> None:
    completed, wanted = release(bundles, bundles[0])
    progress = Recorder()
    taker = Taker()
    with closing(Delivery(completed, work(), MemoryScratch(0))) as delivery:
        taker.run(delivery, wanted, work(progress))
        assert scratch_left() == 0
    assert taker.found.keys() == wanted.keys()
    assert progress.labels == ["all of it"]
    assert progress.adds_up


def test_sources_in_a_registry_are_fetched_once_and_given_up_after_their_last_use(bundles: list[BundleFile]) -> None:
    store = Store(bundles[0])
    with closing(remote(bundles, store)) as blobs:
        completed, wanted = release(bundles, blobs)
        wanted = {digest: size for digest, size in wanted.items() if bundles[0].size(digest) is None}
        progress = Recorder()
        taker = Taker()
        with closing(Delivery(completed, work(), MemoryScratch(0), blobs)) as delivery:
            taker.run(delivery, wanted, work(progress))
            assert scratch_left() == 0
    assert taker.found.keys() == wanted.keys()
    assert store.given == dict.fromkeys(blobs.known, 1)
    assert progress.adds_up


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_a_layer_that_another_is_made_from_counts_when_it_is_unpacked(tmp_path: Path, memory: int) -> None:
    """What a step has made is not kept uncompressed: the next one unpacks it. All of it lies in memory if it fits."""
    encoders = (replica("go1-flate-6"), replica("zlib-6"))
    for number, tar in enumerate((layer(1, size=60_000), changed(layer(1, size=60_000), 1))):
        write_images(tmp_path / f"images-{number}", {f"web:r{number}": [encode(tar) for encode in encoders]})
    airpatch.create(tmp_path / "images-0", tmp_path / "full")
    airpatch.diff(tmp_path / "full", tmp_path / "images-1", tmp_path / "patch")
    opened = [BundleFile(str(tmp_path / name)) for name in ("full", "patch")]
    made = {step.digest for step in opened[1].index.steps}
    assert any(made.intersection(step.sources) for step in opened[1].index.steps)
    completed, wanted = release(opened, opened[0])
    progress = Recorder()
    peak = 0

    def look() -> None:
        nonlocal peak
        peak = max(peak, scratch_left())

    taker = Taker(look)
    with closing(Delivery(completed, work(), MemoryScratch(memory))) as delivery:
        taker.run(delivery, wanted, work(progress))
    assert taker.found.keys() == wanted.keys()
    assert progress.adds_up
    assert (peak > 0) == (memory == 0)
    for bundle in opened:
        bundle.close()


def test_the_room_that_is_demanded_suffices(bundles: list[BundleFile], monkeypatch: pytest.MonkeyPatch) -> None:
    demanded: list[int] = []
    monkeypatch.setattr(delivery_module, "require_scratch", lambda _new_file, size: demanded.append(size))
    store = Store(bundles[0])
    with closing(remote(bundles, store)) as blobs:
        completed, wanted = release(bundles, blobs)
        wanted = {digest: size for digest, size in wanted.items() if bundles[0].size(digest) is None}
        peak = 0

        def look() -> None:
            nonlocal peak
            peak = max(peak, scratch_left())

        with closing(Delivery(completed, work(), MemoryScratch(0), blobs)) as delivery:
            Taker(look).run(delivery, wanted, replace(work(), jobs=1))
    assert 0 < peak <= demanded[0]


def test_blobs_wait_until_those_before_them_are_taken(
    bundles: list[BundleFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is room for one, no blob is made before the one before it was read."""
    monkeypatch.setattr(Delivery, "_limit", 0)
    completed, wanted = release(bundles, bundles[0])
    taker = Taker()
    with closing(Delivery(completed, work(), MemoryScratch(0))) as delivery:
        taker.run(delivery, wanted, replace(work(), jobs=1))
    assert taker.found.keys() == wanted.keys()


def test_who_takes_them_can_end_it(bundles: list[BundleFile]) -> None:
    completed, wanted = release(bundles, bundles[0])
    execution = work()
    with closing(Delivery(completed, work(), MemoryScratch(0))) as delivery, pytest.raises(CancelledError):
        Taker(execution.cancellation.cancel).run(delivery, wanted, execution)
    assert scratch_left() == 0


def test_a_source_that_cannot_be_had(bundles: list[BundleFile]) -> None:
    store = Store(bundles[0], lost=bundles[1].index.sources[0].digest)
    with closing(remote(bundles, store)) as blobs:
        completed, wanted = release(bundles, blobs)
        wanted = {digest: size for digest, size in wanted.items() if bundles[0].size(digest) is None}
        with (
            closing(Delivery(completed, work(), MemoryScratch(0), blobs)) as delivery,
            pytest.raises(TargetError, match="line is dead"),
        ):
            Taker().run(delivery, wanted, work())
    assert scratch_left() == 0


def test_an_error_ends_steps_that_wait_until_blobs_are_taken(
    bundles: list[BundleFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes blobs may be slow, or gone."""
    monkeypatch.setattr(Delivery, "_limit", 0)
    completed = CompletedRelease(bundles[1:2], bundles[0])
    made = {step.digest: step.size for step in bundles[1].index.steps}
    given: list[Digest] = []

    def take(digest: Digest, _content: Content, _taken: Callable[[], None]) -> None:
        given.append(digest)
        ends.submit(execution.cancellation.cancel)  # another step waits now, or is about to

    execution = work()
    with closing(Delivery(completed, work(), MemoryScratch(1 << 20))) as delivery, ThreadPoolExecutor(1) as ends:
        delivery.prepare(made, execution)
        with pytest.raises(CancelledError):
            delivery.give(take, execution)
    assert len(given) == 1
