"""What an apply takes on a file system is known before it is taken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from airpatch.blobs.room import Room
from airpatch.errors import TargetError
from airpatch.format.index import Base, Disposition, Index, SourceBlob, Step
from airpatch.layers.steps import scratch_space
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.model.release import check_manifests
from airpatch.target import space
from airpatch.target.check import InstallPlan
from airpatch.target.root import Root
from airpatch.target.space import Need
from tests.support import Builder
from tests.target.support import Sample, install, sample, snapshot, try_out

BLOCK = 4096


def many(repositories: int = 12, layers: int = 5) -> Sample:
    """Many links and folders, and few bytes."""
    builder = Builder()
    for number in range(repositories):
        picture = builder.picture([b"%d of %d" % (layer, number) for layer in range(layers)])
        builder.tag(f"a{number}/deep/below:1", picture, {picture: [b"signature %d" % number]})
    return sample(builder, "many", 7)


def inodes(root: Path) -> int:
    found = {root.stat().st_ino}
    for folder, folders, files in os.walk(root):
        found.update(os.lstat(Path(folder, name)).st_ino for name in [*folders, *files])
    return len(found)


def need_of(release: Sample, root: Root | None) -> Need:
    manifests = {digest: parse_manifest(content) for digest, content in release.builder.manifests.items()}
    check_manifests(release.release, release.builder.manifests)
    need = Need(root, BLOCK)
    plan = InstallPlan(Index.full(release.release))
    space._add_staging(need, [plan], 1)
    space._add_blobs(need, plan)
    space.add_links(need, root, release.release, manifests)
    return need


def test_every_file_and_folder_is_counted(root: Path) -> None:
    """A new root: what is there afterwards was counted, and little else."""
    release = many()
    need = need_of(release, None)
    install(root, release.full)
    made = inodes(root) - 1  # the root is not counted
    assert made <= need.files <= made + 3  # journal, and staged twice
    assert need.size >= made * BLOCK


def test_what_is_there_is_not_counted_again(root: Path) -> None:
    release = many()
    install(root, release.full)
    with Root(root) as files:
        manifests = {digest: parse_manifest(content) for digest, content in release.builder.manifests.items()}
        need = Need(files, BLOCK)
        space.add_links(need, files, release.release, manifests)
    assert (need.size, need.files) == (0, 0)


def test_folders_that_are_there_are_not_made(root: Path) -> None:
    (root / "there").mkdir(parents=True)
    with Root(root) as files:
        need = Need(files, BLOCK)
        need.name("there/new/name")
        need.name("there/name")
        assert need.files == 1
        assert need.folders == ["there"]


def test_folders_grow_with_their_entries() -> None:
    need = Need(None, BLOCK)
    for number in range(1000):
        need.name(f"folder/{number:064}")
    assert need.files == 1
    assert need.size >= 1000 * 72


@pytest.mark.parametrize("kind", ["file", "pipe"])
@pytest.mark.parametrize("short", ["bytes", "files"])
def test_nothing_is_published_where_links_do_not_fit(
    kind: str, short: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enough for all blobs, and too little for all links: out of a file nothing is written, out of a pipe staging."""
    release = many()
    need = need_of(release, None)
    room = Room(need.size - 1, None) if short == "bytes" else Room(1 << 40, need.files - 3)  # the lock and two folders
    left = [room, room, Room(BLOCK, None) if short == "bytes" else Room(1 << 40, 3)]  # the second is only told
    monkeypatch.setattr(Root, "room", lambda _: left.pop(0))
    root.mkdir()
    with pytest.raises(TargetError, match="are needed and"):
        install(root, release.full, kind=kind)
    assert snapshot(root) == {}
    assert len(left) == (2 if kind == "file" else 0)


def test_a_dry_run_counts_links_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = many()
    need = need_of(release, None)
    root.mkdir()
    for room, fits in ((Room(need.size, need.files), True), (Room(need.size, need.files - 1), False)):
        monkeypatch.setattr(Root, "room", lambda _, room=room: room)
        if fits:
            try_out(root, release.full)
        else:
            with pytest.raises(TargetError, match="files and folders are needed"):
                try_out(root, release.full)


def test_a_dry_run_for_a_new_root_looks_where_it_would_be(
    root: Path, r1: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def none(place: object) -> Room:
        asked.append(place)
        return Room(0, 0)

    monkeypatch.setattr(space, "room_at", none)
    with pytest.raises(TargetError, match=r"new/root: [\d,]+ bytes are needed and 0 are free"):
        try_out(root / "new/root", r1.full)
    assert asked == [root if root.exists() else root.parent]


def test_nothing_is_needed_again(root: Path, r2: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that is installed can be applied again on a full disk, but for its signatures, which are staged."""
    builder = Builder()
    builder.tag("web:r1", builder.picture([b"layer"]))
    release = sample(builder, "r1", 1)
    install(root, release.full)
    monkeypatch.setattr(Root, "room", lambda _: Room(0, 0))
    install(root, release.full)
    with pytest.raises(TargetError, match="are free"):
        install(root, r2.full)


def test_adversary_48_space_for_all_that_is_staged_at_once() -> None:
    """Steps that make blobs of releases in between write files, too; patches are staged even if no step needs them."""
    builder = Builder()
    signed = builder.picture([b"layer" * 1000])
    builder.tag("web:r1", signed, {signed: [b"signature"]})
    release = builder.release
    layer = next(blob for blob in release.blobs if blob.size == 5000)
    source = SourceBlob(Digest.of(b"source"), 1, 1)
    between = Step(Digest.of(b"between"), 70_000, 10, Digest.of(b"p1"), 300, (source.digest,))
    last = Step(layer.digest, layer.size, 10, Digest.of(b"p2"), 200, (between.digest,))
    dispositions = tuple(Disposition.PATCHED if blob is layer else Disposition.STORED for blob in release.blobs)
    index = Index(release, dispositions, (Base(Digest.of(b"base"), "base"),), (), (source,), (between, last))
    others = [blob.size for blob in release.blobs if blob is not layer]
    scratch = scratch_space(index, index.steps, 1)

    def needed(plans: Sequence[InstallPlan]) -> tuple[int, int]:
        need = Need(None, 1)
        space._add_staging(need, plans, 1)
        entries = need.files - 2  # `.airpatch` and `staging` are folders
        names = sum(len(str(number)) for number in range(1, entries + 1))
        return need.size - 2 * (8 * (entries + 2) + len(".airpatchstaging") + names), entries

    size, files = needed([InstallPlan(index, steps=list(index.steps))])
    assert size == sum(others) + 5000 + 70_000 + 300 + 200 + len(b"signature") + scratch
    assert files == 3 + 1 + 2 + 1
    assert needed([InstallPlan(index, steps=list(index.steps))] * 2)[0] == size
    size, _ = needed([InstallPlan(index, present={blob.digest for blob in release.blobs})])
    assert size == 300 + len(b"signature")


def test_names_that_a_file_system_cannot_have_are_told_before_a_write(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = Builder()
    builder.tag(f"{'long' * 50}:r1", builder.picture([b"layer"]))
    bundle = sample(builder, "r1").full
    root.mkdir()
    monkeypatch.setattr(Root, "room", lambda _: Room(1 << 40, None, name_max=143))
    for run in (install, try_out):
        with pytest.raises(TargetError, match=r"longlong.*: is longer than the 143 bytes"):
            run(root, bundle)
    assert snapshot(root) == {}


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_in_the_way_of_a_folder_is_found_in_a_dry_run(root: Path, r1: Sample, kind: str) -> None:
    place = root / "docker/registry/v2/repositories/shop"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"") if kind == "file" else place.symlink_to(root)
    before = snapshot(root)
    for run in (try_out, install):
        with pytest.raises(TargetError, match=r"repositories/shop.*: a symbolic link or a file is in the way"):
            run(root, r1.full)
        assert snapshot(root) == before


def test_names_as_long_as_a_file_system_can_have_are_taken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder()
    builder.tag(f"{'long' * 50}:r1", builder.picture([b"layer"]))
    monkeypatch.setattr(Root, "room", lambda _: Room(1 << 40, None, name_max=200))
    assert install(root, sample(builder, "r1").full)[0].is_new
