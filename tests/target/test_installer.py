"""Bundles into roots: full ones, patches, several at once, from files and pipes, and some that lie."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.writer import write_bundle
from airpatch.blobs.byte_source import FileBytes
from airpatch.blobs.room import Room, Rooms
from airpatch.errors import AirpatchError, BaseMismatch, FormatError, IntegrityError, TargetError, TrustError
from airpatch.format import inventories, registry, zstd
from airpatch.format.index import Base, Disposition, Feature, Index
from airpatch.model.digest import Digest
from airpatch.model.manifest import Manifest
from airpatch.model.release import Blob, Release
from airpatch.patches.bases import BaseState, open_base
from airpatch.patches.layer_patching import patch_layers
from airpatch.patches.patch_plan import plan_patch
from airpatch.signing.trusted import TrustedSigners
from airpatch.sources.gather import Gathered
from airpatch.target import installer
from airpatch.target.root import Root
from airpatch.target.state import current, history, receipts
from airpatch.target.stocktaking import make_request
from tests.layers.support import changed, layer, replica
from tests.support import (
    OCI_GZIP_LAYER,
    Builder,
    MemorySink,
    Recorder,
    contents_of,
    execution,
    join_frames,
    piped,
    split_frames,
)
from tests.target import support
from tests.target.support import (
    LAYERS,
    Sample,
    blob_file,
    damage,
    drop,
    index_of,
    install,
    outside,
    push,
    sample,
    served,
    snapshot,
    staging,
    try_out,
)

LARGE = Digest.of(LAYERS["large"])
BASE = Digest.of(LAYERS["base"])


@pytest.fixture
def old(root: Path, r1: Sample) -> Path:
    install(root, r1.full)
    return root


# What works


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_full_bundle_into_an_empty_root(root: Path, r1: Sample, kind: str) -> None:
    (applied,) = install(root, r1.full, kind=kind)
    assert served(root) == r1.tags
    assert applied.index.release == r1.release
    assert set(applied.written) == set(r1.release.blobs)
    assert applied.bytes == r1.release.size
    assert (applied.healed, applied.missing) == ((), ())
    assert {str(name) for name in applied.tags} == set(r1.tags)
    assert staging(root) == []


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_patch_writes_what_is_new(old: Path, r1: Sample, r2: Sample, kind: str) -> None:
    patch = r2.patch(r1)
    (applied,) = install(old, patch, kind=kind)
    assert served(old) == r1.tags | r2.tags
    assert applied.written == index_of(patch).stored
    assert {str(name) for name in applied.tags} == {"shop/web:r2", "shop/web:stable", "shop/worker:r2", "proxy:r2"}


def test_what_several_bundles_bring_is_written_once(root: Path, r1: Sample, r2: Sample) -> None:
    for applied in (try_out(root, r1.full, r1.full, r2.full), install(root, r1.full, r1.full, r2.full)):
        assert [set(each.written) for each in applied] == [
            set(r1.release.blobs), set(), set(r2.release.blobs) - set(r1.release.blobs)
        ]  # fmt: skip


def test_a_root_from_patches_is_the_one_from_full_bundles(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    for bundle in (r1.full, r2.full, r3.full):
        install(place / "full", bundle)
    for bundle in (r1.full, r2.patch(r1), r3.patch(r1, r2)):
        install(place / "patched", bundle)
    install(place / "at once", r1.full, r2.patch(r1), r3.patch(r2))
    assert outside(place / "full") == outside(place / "patched") == outside(place / "at once")
    assert served(place / "full") == r1.tags | r2.tags | r3.tags
    names = [path for path in snapshot(place / "full") if "history" not in path and "releases/" not in path]
    assert names == [p for p in snapshot(place / "at once") if "history" not in p and "releases/" not in p]


def test_a_patch_for_two_bases_fits_either(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    for base in (r1, r2):
        install(place / base.release.name, base.full)
        install(place / base.release.name, r3.patch(r1, r2))
        assert served(place / base.release.name) == base.tags | r3.tags


def test_a_patch_with_no_change(old: Path, r1: Sample) -> None:
    patch = r1.patch(r1)
    assert index_of(patch).stored == ()
    assert len(patch) < 2000
    before = snapshot(old)
    install(old, patch)
    assert snapshot(old) == before


def test_a_patch_on_a_root_that_was_filled_by_pushes(root: Path, r1: Sample, r2: Sample) -> None:
    for image in r1.release.images:
        push(root, r1.builder, str(image.name), r1.builder.manifests[image.manifest])
    install(root, r2.patch(r1))
    assert served(root) == r1.tags | r2.tags


def test_a_patch_whose_blobs_another_release_left_out_of_it(root: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    """A chain of which the middle is given last: checked together, in any order, published in the order given."""
    install(root, r1.full)
    install(root, r3.patch(r2), r2.patch(r1), allow_downgrade=True)
    with Root(root) as files:
        assert [of.name for of in history(files).published()] == ["r1", "r3", "r2"]
        assert current(files) == r2.id
    assert served(root)["shop/web:stable"] == r2.tags["shop/web:stable"]
    assert served(root)["tools:r3"] == r3.tags["tools:r3"]


def test_a_bundle_out_of_a_real_pipe(root: Path, r1: Sample) -> None:
    with piped(r1.full, 1000) as feed:
        installer.install([feed], root, execution())
    assert served(root) == r1.tags


def test_deep_repository_names(root: Path) -> None:
    builder = Builder()
    repository = "/".join(["a"] * 128)
    builder.tag(f"{repository}:r1", builder.picture([b"x", b"y"]))
    builder.tag("registry.example:5000/shop/web:r1", builder.picture([b"z"]))
    deep = sample(builder, "deep")
    install(root, deep.full)
    assert served(root) == deep.tags


def test_an_image_without_layers_and_an_empty_layer(root: Path) -> None:
    builder = Builder()
    builder.tag("none:r1", builder.picture([]))
    builder.tag("empty:r1", builder.picture([b""]))
    install(root, sample(builder, "r").full)
    assert set(served(root)) == {"none:r1", "empty:r1"}


def test_signatures_lie_beside_the_storage(old: Path, r1: Sample) -> None:
    web = r1.tags["shop/web:r1"].hex
    folder = old / f".airpatch/signatures/shop/web@sha256={web}"
    assert (folder / "signature-1").read_bytes() == b"signature of web 1"
    assert len(list((old / ".airpatch/signatures").rglob("signature-*"))) == 2


def test_progress_is_announced_and_adds_up(root: Path, r1: Sample) -> None:
    progress = Recorder()
    install(root, r1.full, progress=progress)
    assert progress.labels == ["reading r1"]
    install(root, r1.full, progress=progress)
    assert progress.labels == ["reading r1", "checking the target", "reading r1"]
    assert progress.adds_up


# Dry runs


@pytest.mark.parametrize("exists", [False, True])
def test_a_dry_run_writes_nothing(root: Path, r1: Sample, exists: bool) -> None:
    if exists:
        root.mkdir()
        os.utime(root, (1, 1))
    (would,) = try_out(root, r1.full)
    assert set(would.written) == set(r1.release.blobs)
    assert root.exists() == exists
    assert not exists or (snapshot(root), root.stat().st_mtime) == ({}, 1)


def test_a_dry_run_says_what_apply_does(old: Path, r1: Sample, r2: Sample) -> None:
    damage(old, LARGE, "short")
    drop(old, [next(b.digest for b in r1.release.blobs if b.size == 8)])
    times = {path: path.stat().st_mtime_ns for path in [old, *old.rglob("*")]}
    before = snapshot(old)
    bundles = [r2.patch(r1), r1.full]
    would = try_out(old, *bundles, allow_downgrade=True)
    assert snapshot(old) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    did = install(old, *bundles, allow_downgrade=True)
    assert [replace(one, tags=()) for one in did] == would
    assert would[1].healed == tuple(b for b in r1.release.blobs if b.digest == LARGE)


def test_a_dry_run_refuses_what_apply_refuses(
    old: Path, r1: Sample, r2: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(old, r2.full)
    with pytest.raises(TrustError):
        try_out(old, r1.full)
    monkeypatch.setattr(Root, "room", lambda _: Room(0, 0))
    with pytest.raises(TargetError, match="are free"):
        try_out(old, r2.full)


def test_whoever_may_refuse_a_release_learns_what_the_root_takes(root: Path, r1: Sample) -> None:
    """Of a file before anything is staged, of a pipe before anything is published."""
    told: list[int] = []

    def refuse(_release: Release, _manifests: Mapping[Digest, Manifest], rooms: Rooms) -> None:
        with pytest.raises(TargetError, match=r"\([\d,]+ for the images, [\d,]+ for the root\)") as caught:
            rooms.require(root, "the images", 1 << 60)
        figures = re.findall(r"([\d,]+) for the", caught.value.message)
        told.append(int(figures[1].replace(",", "")))
        raise caught.value

    for kind in ("file", "pipe"):
        with pytest.raises(TargetError):
            install(root, r1.full, kind=kind, on_known=refuse)
        assert not (root / "docker").exists()
    of_all, of_the_rest = told
    assert of_all - of_the_rest >= sum(blob.size for blob in r1.release.blobs)


def test_a_bundle_of_a_newer_airpatch_is_refused_before_the_first_write(root: Path, r1: Sample) -> None:
    bundle = r1.pack(replace(Index.full(r1.release), features=(Feature("encoder zopfli-15", "1.3"),)))
    for run in (install, try_out):
        with pytest.raises(FormatError, match=r"needs airpatch 1\.3 or newer"):
            run(root, bundle)
    assert not root.exists()


# Missing blobs, requests and top-ups


def lost(old: Path, r1: Sample, patch: bytes) -> dict[Digest, int]:
    """Take a layer, a config and a manifest away that the patch needs."""
    left = index_of(patch).left_out
    gone = [left[0], next(b for b in left if b.media_type.endswith("config.v1+json")), left[-1]]
    assert gone[-1].is_manifest
    drop(old, [blob.digest for blob in gone])
    return {blob.digest: blob.size for blob in gone}


def test_adversary_13_a_patch_for_another_base_lists_what_is_missing(
    root: Path, r1: Sample, r3: Sample, r2: Sample
) -> None:
    install(root, r3.full)
    before = outside(root)
    told: list[tuple[Index, Sequence[Blob]]] = []
    with pytest.raises(BaseMismatch, match=r"made for r1\.") as caught:
        install(root, r2.patch(r1), allow_downgrade=True, on_missing=lambda *what: told.append(what))
    assert outside(root) == before
    ((index, missing),) = told
    assert all(line.startswith(("proxy:r2", "shop/", "images whose")) for line in caught.value.findings)
    assert set(missing) == {b for b in index.left_out if not blob_file(root, b.digest).exists()}


def test_a_patch_into_an_empty_registry(root: Path, r1: Sample, r2: Sample) -> None:
    (root / support.STORAGE).mkdir(parents=True)
    with pytest.raises(BaseMismatch):
        install(root, r2.patch(r1))
    assert list((root / support.STORAGE).iterdir()) == []
    assert len(try_out(root, r2.patch(r1))[0].missing) == len(index_of(r2.patch(r1)).left_out)


@pytest.mark.parametrize("order", ["top-up last", "top-up first"])
def test_a_top_up_holds_exactly_what_was_requested(place: Path, old: Path, r1: Sample, r2: Sample, order: str) -> None:
    patch = r2.patch(r1)
    gone = lost(old, r1, patch)
    told: list[tuple[Index, Sequence[Blob]]] = []
    with pytest.raises(BaseMismatch):
        install(old, patch, on_missing=lambda *what: told.append(what))
    (place / "request").write_bytes(inventories.emit(make_request(*told[0])))
    base = open_base(str(place / "request"), r2.release)
    top_up = r2.pack(plan_patch(r2.release, [base]))
    assert {blob.digest: blob.size for blob in index_of(top_up).stored} == gone
    assert index_of(top_up).release_id == r2.id
    with pytest.raises(BaseMismatch):
        install(old, top_up)
    install(old, *([patch, top_up] if order == "top-up last" else [top_up, patch]))
    assert served(old).items() >= r2.tags.items()


def test_a_top_up_may_come_before_the_patch_by_itself(place: Path, old: Path, r1: Sample, r2: Sample) -> None:
    """A request that lists all that the patch would bring, too, is a full set."""
    request = make_request(Index.full(r2.release), r2.release.blobs)
    (place / "request").write_bytes(inventories.emit(request))
    base = open_base(str(place / "request"), r2.release)
    install(old, r2.pack(plan_patch(r2.release, [base])))
    assert served(old) == r1.tags | r2.tags


# Wrong blobs


@pytest.mark.parametrize("kind", ["empty", "short", "first", "middle", "last"])
@pytest.mark.parametrize("what", ["layer", "manifest"])
def test_adversary_27_29_55_a_full_bundle_heals(old: Path, r1: Sample, kind: str, what: str) -> None:
    digest = LARGE if what == "layer" else r1.tags["proxy:r1"]
    damage(old, digest, kind)
    (applied,) = install(old, r1.full)
    assert [blob.digest for blob in applied.healed] == [digest] == [blob.digest for blob in applied.written]
    assert served(old) == r1.tags


def test_adversary_27_29_a_patch_heals_with_a_full_bundle_beside_it(old: Path, r1: Sample, r2: Sample) -> None:
    """The patch leaves the blob out and looks at its size alone; the other bundle knows better."""
    damage(old, LARGE)
    applied = install(old, r1.full, r2.patch(r1))
    assert [blob.digest for blob in applied[0].healed] == [LARGE]
    assert served(old) == r1.tags | r2.tags


def test_adversary_27_deep_finds_a_wrong_blob(old: Path, r1: Sample, r2: Sample) -> None:
    damage(old, LARGE)
    before = outside(old)
    with pytest.raises(BaseMismatch, match="lacks 1 blob of 205 kB") as caught:
        install(old, r2.patch(r1), deep=True)
    assert "there, but damaged" in caught.value.findings[0]
    assert outside(old) == before


def test_adversary_21_healing_leaves_other_names_of_the_file_alone(place: Path, old: Path, r1: Sample) -> None:
    damage(old, LARGE)
    os.link(blob_file(old, LARGE), place / "restored")
    wrong = (place / "restored").read_bytes()
    install(old, r1.full)
    assert (place / "restored").read_bytes() == wrong


# Damaged and lying bundles


def untouched(old: Path, before: dict[str, object], *bundles: bytes, kind: str = "file") -> AirpatchError:
    """Nothing but an AirpatchError comes of the bundles."""
    with pytest.raises(AirpatchError) as caught:
        install(old, *bundles, kind=kind)
    assert outside(old) == before
    assert not (old / ".airpatch").exists() or staging(old) == []
    assert not (old / ".airpatch/releases").exists() or len(os.listdir(old / ".airpatch/releases")) == 1
    return caught.value


TINY = support.tiny(1), support.tiny(2)
TINY_PATCH = TINY[1].patch(TINY[0])


@pytest.fixture(scope="module")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "root"
    install(path, TINY[0].full)
    return path


@settings(max_examples=60)
@given(data=st.data(), kind=st.sampled_from(["file", "pipe"]), full=st.booleans())
def test_adversary_37_a_bundle_cut_anywhere_leaves_no_trace(
    tiny_root: Path, data: st.DataObject, kind: str, full: bool
) -> None:
    bundle = TINY[1].full if full else TINY_PATCH
    size = data.draw(st.integers(0, len(bundle) - 1))
    error = untouched(tiny_root, outside(tiny_root), bundle[:size], kind=kind)
    assert isinstance(error, FormatError)


@settings(max_examples=60)
@given(data=st.data(), kind=st.sampled_from(["file", "pipe"]), full=st.booleans())
def test_adversary_27_38_a_bundle_with_a_flipped_bit_leaves_no_trace(
    tiny_root: Path, data: st.DataObject, kind: str, full: bool
) -> None:
    bundle = bytearray(TINY[1].full if full else TINY_PATCH)
    bit = data.draw(st.integers(0, len(bundle) * 8 - 1))
    bundle[bit // 8] ^= 1 << bit % 8
    untouched(tiny_root, outside(tiny_root), bytes(bundle), kind=kind)


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_adversary_44_a_tail_leaves_no_trace(tiny_root: Path, kind: str) -> None:
    untouched(tiny_root, outside(tiny_root), TINY_PATCH + b"\0", kind=kind)
    untouched(tiny_root, outside(tiny_root), TINY_PATCH, TINY[1].full[:-1], kind=kind)


@pytest.mark.parametrize("kind", ["file", "pipe"])
@pytest.mark.parametrize("where", ["layer", "manifest", "signature"])
def test_adversary_27_28_other_bytes_under_a_digest(old: Path, r1: Sample, r2: Sample, kind: str, where: str) -> None:
    """Sound frames, sound checksums, and one byte of a blob another."""
    needle = {"layer": b"web 2", "manifest": b"schemaVersion", "signature": b"signature of web 2"}[where]
    contents = contents_of(r2.full)
    at = next(i for i, content in enumerate(contents) if needle in content)
    head, _, tail = contents[at].rpartition(needle)
    contents[at] = head + needle[:-1] + b"!" + tail
    bundle = join_frames(zstd.compress(content) for content in contents)
    error = untouched(old, outside(old), bundle, kind=kind)
    assert isinstance(error, IntegrityError)


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_adversary_10_33_parts_of_two_bundles(old: Path, r1: Sample, r2: Sample, r3: Sample, kind: str) -> None:
    ours, theirs = split_frames(r2.full), split_frames(r3.full)
    for mixed in (
        ours[:1] + theirs[1:],
        ours[:-1] + theirs[-1:],
        [*ours, *theirs],
        ours[:-1],
        ours[::-1],
        ours[:2] * 2,
    ):
        assert isinstance(untouched(old, outside(old), join_frames(mixed), kind=kind), FormatError)


def lie(true: Sample, change: Callable[[Index], Index]) -> bytes:
    """A bundle whose index says something else than the manifests in it."""
    return true.pack(change(Index.full(true.release)))


def without_a_layer(index: Index) -> Index:
    blobs = tuple(blob for blob in index.release.blobs if blob.digest != LARGE)
    return replace(index, release=replace(index.release, blobs=blobs), dispositions=index.dispositions[1:])


def with_another_type(index: Index) -> Index:
    first, *others = index.release.blobs
    blobs = (replace(first, media_type="application/x-other"), *others)
    return replace(index, release=replace(index.release, blobs=blobs))


def with_children_behind_their_index(index: Index) -> Index:
    *others, child, top = index.release.blobs
    return replace(index, release=replace(index.release, blobs=(*others, top, child)))


def with_a_tag_elsewhere(index: Index) -> Index:
    first, *others = index.release.images
    moved = replace(first, manifest=next(image.manifest for image in others), signatures=())
    return replace(index, release=replace(index.release, images=(moved, *others)))


@pytest.mark.parametrize(
    "change", [without_a_layer, with_another_type, with_children_behind_their_index, with_a_tag_elsewhere]
)
def test_adversary_31_33_a_table_that_is_not_that_of_the_manifests(
    old: Path, r2: Sample, change: Callable[[Index], Index]
) -> None:
    assert isinstance(untouched(old, outside(old), lie(r2, change)), FormatError)


def test_adversary_31_a_patch_whose_table_lacks_a_layer_that_the_target_lacks(old: Path, r1: Sample) -> None:
    """The manifest is on the target; it is held against the table all the same."""
    drop(old, [LARGE])
    index = without_a_layer(Index.full(r1.release))
    patch = replace(index, dispositions=(Disposition.LEFT_OUT,) * len(index.dispositions), bases=(Base(r1.id, "r1"),))
    assert isinstance(untouched(old, outside(old), r1.pack(patch)), FormatError)


def test_adversary_11_a_claim_that_the_target_has_everything(root: Path, r1: Sample) -> None:
    patch = replace(
        Index.full(r1.release), dispositions=(Disposition.LEFT_OUT,) * len(r1.release.blobs), bases=(Base(r1.id, "r1"),)
    )
    with pytest.raises(BaseMismatch):
        install(root, r1.pack(patch))
    assert not (root / "docker").exists()


def test_a_left_out_blob_with_another_size_is_missing(old: Path, r1: Sample, r2: Sample) -> None:
    """Whatever a base says: the release's size counts."""
    base = r1.base
    assert LARGE in base.blobs
    larger = BaseState(base.base, {**base.blobs, LARGE: 1}, base.repositories)
    assert LARGE in {blob.digest for blob in plan_patch(r2.release, [larger]).stored}
    damage(old, LARGE, "short")
    with pytest.raises(BaseMismatch):
        install(old, r2.patch(r1))


def test_the_first_of_two_bundles_is_not_applied_if_the_second_is_damaged(
    old: Path, r1: Sample, r2: Sample, r3: Sample
) -> None:
    before = outside(old)
    damaged = bytearray(r3.patch(r2))
    damaged[len(damaged) // 2] ^= 1
    untouched(old, before, r2.patch(r1), bytes(damaged))


def test_adversary_48_a_full_disk_while_staging(old: Path, r2: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    before, files = outside(old), support.descriptors()
    write = os.write
    left = 1000

    def filling(fd: int, data: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(28, os.strerror(28))
        left -= (done := write(fd, data[: max(left, 1)]))
        return done

    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(TargetError, match="No space left on device"):
        install(old, r2.full)
    monkeypatch.undo()
    assert outside(old) == before
    assert staging(old) == []
    assert support.descriptors() == files


def test_adversary_49_short_writes(root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:4099]))
    install(root, r1.full)
    monkeypatch.undo()
    assert served(root) == r1.tags


def test_adversary_57_a_bundle_that_shrinks_while_it_is_read(old: Path, r2: Sample) -> None:
    before = outside(old)
    with support.feeds(r2.full) as (feed,):
        assert isinstance(feed, FileFrameReader)
        assert isinstance(feed.source, FileBytes)
        os.ftruncate(feed.source._fd, len(r2.full) // 2)
        with pytest.raises(FormatError, match="shrank while"):
            installer.install([feed], old, execution(1))
    assert outside(old) == before


def test_a_staged_file_is_closed_whatever_happens(old: Path, r2: Sample) -> None:
    files = support.descriptors()
    install(old, r2.full)
    assert support.descriptors() == files
    damaged = bytearray(r2.full)
    damaged[len(damaged) // 2] ^= 1
    for _ in range(3):
        with pytest.raises(AirpatchError):
            install(old, bytes(damaged))
    assert support.descriptors() == files


def test_receipts_say_what_was_installed(old: Path, r1: Sample, r2: Sample) -> None:
    install(old, r2.patch(r1))
    with Root(old) as files:
        assert {receipt.release for receipt in receipts(files).values()} == {r1.release, r2.release}


def test_links_of_a_pruned_index_are_found_by_path(old: Path, r1: Sample) -> None:
    """A root that was emptied but for `.airpatch` is filled again, although its receipt is there."""
    shutil.rmtree(old / "docker")
    assert not (old / registry.STORAGE).exists()
    install(old, r1.full)
    assert served(old) == r1.tags


def test_bundles_that_contradict_each_other_are_refused_before_anything_is_written(root: Path, r1: Sample) -> None:
    first, *others = r1.release.blobs
    release = replace(r1.release, name="other", blobs=(replace(first, size=first.size + 1), *others))
    dispositions = (Disposition.LEFT_OUT,) * len(release.blobs)
    other = r1.pack(replace(Index.full(release), dispositions=dispositions, bases=(Base(r1.id, "r1"),)))
    for call in (install, try_out):
        with pytest.raises(FormatError, match="bytes in"):
            call(root, r1.full, other)
    assert not root.exists() or outside(root) == {}


def test_a_dry_run_refuses_what_is_not_signed_as_demanded(root: Path, r1: Sample) -> None:
    key = b"alice ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    for call in (try_out, install):
        with pytest.raises(TrustError, match="is not signed"):
            call(root, r1.full, trusted=TrustedSigners(key))
    assert not root.exists()


# Layer patches


def layered() -> tuple[Sample, Sample, bytes]:
    """Two releases and the patch between them, whose layer is rebuilt out of the one before."""
    encode = replica("go1-flate-6")
    content = layer(1, size=9000)
    builders = Builder(), Builder()
    for number, (builder, data) in enumerate(zip(builders, (content, changed(content)), strict=True), 1):
        image = builder.picture([encode(data)], layer_type=OCI_GZIP_LAYER)
        builder.tag(f"web:r{number}", image)
        builder.tag("web:stable", image)
    old, new = sample(builders[0], "r1", 1), sample(builders[1], "r2", 2)
    layers = tuple(blob.digest for blob in old.release.blobs if not blob.is_manifest)
    state = replace(old.base, layers=layers, content=old.builder.content)
    gathered = Gathered(new.release, new.builder.manifests, new.builder.content)
    sink = MemorySink()
    with patch_layers(plan_patch(new.release, [state]), gathered, [state], execution(1)) as patched:
        assert len(patched.index.steps) == 1
        write_bundle(patched, sink, execution(1))
    return old, new, bytes(sink.data)


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_layer_is_rebuilt_out_of_one_that_the_root_has(root: Path, kind: str) -> None:
    old, new, patch = layered()
    install(root, old.full)
    (applied,) = install(root, patch, kind=kind)
    (step,) = index_of(patch).steps
    assert step.digest in {blob.digest for blob in applied.written}
    assert served(root).items() >= new.tags.items()
    assert staging(root) == []
    assert install(root, patch)[0].written == ()


@pytest.mark.parametrize("kind", ["gone", "middle", "empty"])
def test_adversary_29_a_source_that_is_gone_or_damaged_is_missing(root: Path, kind: str) -> None:
    old, _, patch = layered()
    install(root, old.full)
    (step,) = index_of(patch).steps
    if kind == "gone":
        drop(root, step.sources)
    else:
        damage(root, step.sources[0], kind)
    before = outside(root)
    told: list[Blob] = []
    with pytest.raises(BaseMismatch, match="lacks 1 blob"):
        install(root, patch, on_missing=lambda _index, missing: told.extend(missing))
    assert [blob.digest for blob in told] == [step.digest]
    assert outside(root) == before
