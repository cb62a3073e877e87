"""The order of writes: what a client, a garbage collection, a push, a crash and a power cut see at every step."""

from __future__ import annotations

import os
import shutil
from itertools import groupby
from pathlib import Path

import pytest

from airpatch.errors import AirpatchError, TargetError
from airpatch.format import layout
from airpatch.model.digest import Digest
from airpatch.target.root import Root
from airpatch.target.root_reader import STAGING
from airpatch.target.state import current, history, interrupted, receipts
from tests.target import support
from tests.target.support import (
    LAYERS,
    STORAGE,
    Killed,
    Sample,
    blob_file,
    damage,
    drop,
    install,
    killing,
    mark,
    outside,
    push,
    served,
    snapshot,
    staging,
    sweep,
    watched,
)

LARGE = Digest.of(LAYERS["large"])


def nothing(_number: int, _name: str, _path: str) -> None:
    pass


def phase(name: str, path: str) -> str:
    """What a change belongs to."""
    parts = {
        "/_layers/": "layers and revisions",
        "/_manifests/revisions/": "layers and revisions",
        "/index/sha256/": "tag indexes",
        "/current/": "tags",
        "/_manifests/tags/": "new tags",
        f"{STORAGE}/blobs/": "blobs",
        layout.IMAGE_SIGNATURES: "signatures",
        layout.KEPT: "kept signatures",
        ".airpatch/releases": "receipt",
        ".airpatch/history": "history",
        ".airpatch/journal": "journal" if name == "rename" else "end of journal",
    }
    if path.startswith(STAGING):
        return "staging"
    return next((phase for part, phase in parts.items() if part in path), name if name == "sync" else "staging")


def visible(done: list[tuple[str, str]]) -> list[str]:
    """The phases of the changes, each once as long as it lasts."""
    return [key for key, _ in groupby(phase(*change) for change in done)]


@pytest.fixture
def old(root: Path, r1: Sample) -> Path:
    install(root, r1.full)
    return root


@pytest.fixture
def patch(r1: Sample, r2: Sample) -> bytes:
    return r2.patch(r1)


# The protocol


def test_adversary_46_the_order_of_all_changes(old: Path, patch: bytes) -> None:
    with watched(nothing) as done:
        install(old, patch)
    phases = visible(done)
    assert phases[: phases.index("blobs")] == ["staging", "sync", "journal", "history"]
    assert phases[phases.index("blobs") :] == [
        *("blobs", "staging", "kept signatures", "sync"),
        *("staging", "signatures", "layers and revisions", "sync", "tag indexes", "tags", "new tags", "sync"),
        *("staging", "sync", "receipt", "staging", "sync", "history", "end of journal", "sync", "staging"),
    ]


def test_nothing_but_staging_is_opened_for_writing_and_all_else_has_its_name_from_there(
    old: Path, patch: bytes
) -> None:
    with watched(nothing) as done:
        install(old, patch)
    assert {path for name, path in done if name == "create" and not path.startswith(f"{STAGING}/")} == set()
    assert {name for name, path in done if path.startswith("docker")} == {"link", "rename", "move_folder"}
    assert {phase(name, path) for name, path in done if name == "link" and "staging" not in path} == {"blobs"}


def test_adversary_54_who_has_a_link_open_reads_the_old_one_to_its_end(old: Path, r1: Sample, patch: bytes) -> None:
    link = old / STORAGE / "repositories/shop/web/_manifests/tags/stable/current/link"
    with link.open() as file:
        install(old, patch)
        assert Digest.parse(file.read()) == r1.tags["shop/web:stable"]
    assert Digest.parse(link.read_text()) != r1.tags["shop/web:stable"]


def test_adversary_52_a_right_blob_that_is_there_keeps_its_file(root: Path, r1: Sample) -> None:
    """It may have come since the target was looked at: here before everything is published."""

    def pushing(_number: int, _name: str, path: str) -> None:
        if phase("", path) == "blobs" and not blob_file(root, LARGE).exists():
            support.put(blob_file(root, LARGE), LAYERS["large"])
            inodes.append(blob_file(root, LARGE).stat().st_ino)

    inodes: list[int] = []
    with watched(pushing):
        install(root, r1.full)
    assert [blob_file(root, LARGE).stat().st_ino] == inodes


@pytest.mark.parametrize("content", [b"", b"short", LAYERS["large"][:-1] + b"!"])
def test_adversary_52_a_wrong_blob_that_came_meanwhile_is_replaced(root: Path, r1: Sample, content: bytes) -> None:
    def pushing(_number: int, _name: str, path: str) -> None:
        if phase("", path) == "blobs" and not blob_file(root, LARGE).exists():
            support.put(blob_file(root, LARGE), content)

    with watched(pushing):
        install(root, r1.full)
    assert served(root) == r1.tags


@pytest.mark.parametrize("which", ["full", "patch"])
def test_adversary_56_a_reapply_changes_nothing(old: Path, r1: Sample, r2: Sample, patch: bytes, which: str) -> None:
    install(old, patch)
    before = snapshot(old)
    inodes = {path: path.stat().st_ino for path in old.rglob("*") if "staging" not in str(path)}
    with watched(nothing) as done:
        applied = install(old, patch if which == "patch" else r2.full)
    assert {phase(*change) for change in done} <= {"staging"}
    assert snapshot(old) == before
    assert {path: path.stat().st_ino for path in inodes} == inodes
    assert (applied[0].written, applied[0].healed, applied[0].tags) == ((), (), ())


def test_an_older_release_becomes_the_current_one_without_new_links(old: Path, r1: Sample, patch: bytes) -> None:
    install(old, patch)
    install(old, r1.full, allow_downgrade=True)
    with Root(old) as files:
        assert current(files) == r1.id
        assert [of.name for of in history(files).published()] == ["r1", "r2", "r1"]
    assert served(old)["shop/web:stable"] == r1.tags["shop/web:stable"]


# Crashes


@support.some_and_all
@pytest.mark.parametrize("case", ["first install", "patch", "heal"])
def test_adversary_45_killed_before_any_change_and_run_again(place: Path, case: str, stride: int) -> None:
    old, root = place / "old", place / "root"
    one, two = support.tiny(1), support.tiny(2)
    bundle = two.patch(one) if case == "patch" else one.full
    if case != "first install":
        install(old, one.full)
    if case == "heal":
        damage(old, one.release.blobs[0].digest)
    before = one.tags if case == "patch" else {}
    after = before | (two.tags if case == "patch" else one.tags)
    for at in range(1, 1000, stride):
        if old.exists():
            shutil.copytree(old, root)
        try:
            with watched(killing(at)):
                install(root, bundle)
            assert at > 15
            return
        except Killed:
            pass
        if case != "heal":
            seen = served(root)
            assert all(seen[tag] in (before.get(tag), after[tag]) for tag in seen)
            assert set(before) <= set(seen)
        install(root, bundle)
        assert served(root) == after
        assert staging(root) == []
        with Root(root) as files:
            assert interrupted(files) is None
            assert current(files) == (two.id if case == "patch" else one.id)
            assert set(receipts(files)) == ({one.id, two.id} if case == "patch" else {one.id})
        shutil.rmtree(root)


def test_adversary_45_a_run_that_was_killed_at_the_very_end_is_ended_by_the_next(old: Path, r2: Sample) -> None:
    """Between the history and the end of the journal; the release stands, and so does the journal."""

    def stop(_number: int, name: str, path: str) -> None:
        if (name, path) == ("unlink", ".airpatch/journal"):
            raise Killed

    with pytest.raises(Killed), watched(stop):
        install(old, r2.full)
    with Root(old) as files:
        assert interrupted(files) is not None
    install(old, r2.full)
    with Root(old) as files:
        assert interrupted(files) is None


def test_a_receipt_that_was_lost_is_written_again(old: Path, r1: Sample) -> None:
    (old / ".airpatch/releases" / r1.id.hex).unlink()
    install(old, r1.full)
    with Root(old) as files:
        assert set(receipts(files)) == {r1.id}


@pytest.mark.parametrize("at", range(4))
def test_adversary_47_a_failed_barrier_stops_there(
    old: Path, r1: Sample, r2: Sample, patch: bytes, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The barriers: before the journal, after blobs, after revisions, after tags."""
    calls = 0
    sync = Root.sync

    def failing(self: Root, written: list[str]) -> None:
        nonlocal calls
        calls += 1
        if calls == at + 1:
            raise TargetError("Input/output error")
        sync(self, written)

    monkeypatch.setattr(Root, "sync", failing)
    with watched(nothing) as done, pytest.raises(TargetError, match="Input/output"):
        install(old, patch)
    monkeypatch.undo()
    reached = {phase(*change) for change in done}
    for barrier, name in enumerate(["blobs", "layers and revisions", "tags", "receipt"]):
        assert (name in reached) is (at > barrier), name
    seen = served(old)
    assert seen == (r1.tags | r2.tags if at == 3 else r1.tags)
    install(old, patch)
    assert served(old) == r1.tags | r2.tags


# Others at work


def test_adversary_54_a_pull_before_any_change_sees_every_tag_whole(
    old: Path, r1: Sample, r2: Sample, patch: bytes
) -> None:
    before, after = r1.tags, r1.tags | r2.tags
    mixes = []

    def pulling(number: int, _name: str, _path: str) -> None:
        seen = served(old)
        assert set(before) <= set(seen)
        assert all(digest in (before.get(tag), after[tag]) for tag, digest in seen.items())
        mixes.append(seen)

    with watched(pulling):
        install(old, patch)
    assert mixes[0] == before
    assert mixes[-1] == after


@pytest.mark.parametrize("marks", ["before the apply", "when it sweeps"])
@pytest.mark.parametrize("which", ["patch", "full"])
def test_adversary_53_a_garbage_collection_at_any_step(place: Path, which: str, marks: str) -> None:
    """It sweeps between two changes, up to the last look at the blobs; what it takes is put back."""
    old, root = place / "old", place / "root"
    one, two = support.tiny(1), support.tiny(2)
    bundle = two.patch(one) if which == "patch" else two.full
    install(old, one.full)
    marked = mark(old)
    shutil.copytree(old, root)
    with watched(nothing) as done:
        install(root, bundle)
    steps = [number for number, change in enumerate(done) if phase(*change) != "staging"]
    steps = [at for at in steps if phase(*done[at]) not in ("receipt", "history", "end of journal")][:-3]
    assert len(steps) > 8
    for at in steps:
        shutil.rmtree(root)
        shutil.copytree(old, root)

        def collect(number: int, _name: str, _path: str, at: int = at) -> None:
            if number == at:
                sweep(root, marked if marks == "before the apply" else mark(root))

        with watched(collect):
            install(root, bundle)
        assert served(root) == one.tags | two.tags, done[at]


def test_adversary_53_a_left_out_blob_that_is_taken_away_is_told(old: Path, r2: Sample, patch: bytes) -> None:
    def collect(_number: int, _name: str, path: str) -> None:
        if phase("", path) == "tag indexes" and blob_file(old, LARGE).exists():
            drop(old, [LARGE])

    with watched(collect), pytest.raises(TargetError, match="something removed blobs during the apply") as caught:
        install(old, patch)
    assert caught.value.findings == (str(LARGE),)
    install(old, r2.full)
    assert served(old)["shop/web:stable"] == r2.tags["shop/web:stable"]


def test_adversary_53_blobs_that_vanish_again_and_again_end_the_apply(root: Path, r1: Sample) -> None:
    def collect(_number: int, name: str, _path: str) -> None:
        if name == "sync" and blob_file(root, LARGE).exists():
            drop(root, [LARGE])

    with watched(collect), pytest.raises(TargetError, match="are removed as fast"):
        install(root, r1.full)


@pytest.mark.parametrize("when", ["blobs", "layers and revisions", "tag indexes", "tags", "receipt"])
def test_adversary_52_a_push_of_the_same_tag_meanwhile(old: Path, r1: Sample, patch: bytes, when: str) -> None:
    """Either of the two wins, whole."""
    builder = support.r3().builder
    theirs = builder.picture([LAYERS["base"], b"pushed"])
    pushed: list[Digest] = []

    def pushing(_number: int, name: str, path: str) -> None:
        if phase(name, path) == when and not pushed:
            pushed.append(push(old, builder, "shop/web:stable", theirs))

    with watched(pushing):
        install(old, patch)
    seen = served(old)
    ours = support.r2().tags["shop/web:stable"]
    assert seen["shop/web:stable"] in (ours, *pushed)
    assert (seen["shop/web:stable"] == pushed[0]) is (when == "receipt")


def test_links_with_other_content_are_put_right(old: Path, r1: Sample) -> None:
    links = sorted((old / STORAGE / "repositories").rglob("link"))
    for number, link in enumerate(links):
        link.write_text(["", "sha256:", str(LARGE), f"{link.read_text()}\n"][number % 4])
    install(old, r1.full)
    assert served(old) == r1.tags


def test_adversary_18_a_link_file_that_is_a_symbolic_link_is_refused(old: Path, r1: Sample, patch: bytes) -> None:
    link = old / STORAGE / "repositories/shop/web/_manifests/tags/stable/current/link"
    link.rename(old / "elsewhere")
    link.symlink_to(old / "elsewhere")
    with pytest.raises(TargetError, match="not a regular file"):
        install(old, patch)
    assert (old / "elsewhere").read_text() == str(r1.tags["shop/web:stable"])


@pytest.mark.parametrize("place_", [f"{STORAGE}/blobs", f"{STORAGE}/repositories", f"{STORAGE}/repositories/shop"])
def test_adversary_18_a_folder_of_the_storage_that_is_a_link_is_refused(old: Path, r2: Sample, place_: str) -> None:
    (old / place_).rename(old / "elsewhere")
    (old / place_).symlink_to(old / "elsewhere")
    before = snapshot(old / "elsewhere")
    with pytest.raises(TargetError, match="no links"):
        install(old, r2.full)
    assert snapshot(old / "elsewhere") == before


def test_signatures_are_replaced_if_wrong(old: Path, r1: Sample) -> None:
    files = sorted(path for path in (old / ".airpatch/signatures").rglob("signature-*"))
    assert len(files) == 2
    before = outside(old), [file.read_bytes() for file in files]
    files[0].write_bytes(b"x" * files[0].stat().st_size)
    files[1].unlink()
    install(old, r1.full)
    assert (outside(old), [file.read_bytes() for file in files]) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
@pytest.mark.parametrize("folder", ["docker", "docker/registry/v2/repositories", ".airpatch/staging"])
def test_adversary_50_a_storage_on_another_file_system_is_a_target_error(
    place: Path, r1: Sample, r2: Sample, folder: str
) -> None:
    root = place / "root"
    install(root, r1.full)
    mounted = root / folder
    with mounting(mounted) as usable:
        if not usable:
            pytest.skip("no mounts here")
        with pytest.raises(AirpatchError, match=r"[Cc]ross-device"):
            install(root, r2.full)


class mounting:  # noqa: N801 - reads as a context
    """A tmpfs at `path`, with what was there copied into it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> bool:
        copy = self._path.with_name("copy")
        shutil.copytree(self._path, copy)
        if os.system(f"mount -t tmpfs tmpfs {self._path} 2>/dev/null") != 0:
            return False
        shutil.copytree(copy, self._path, dirs_exist_ok=True)
        return True

    def __exit__(self, *_: object) -> None:
        os.system(f"umount {self._path} 2>/dev/null")
