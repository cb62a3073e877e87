"""Old releases go, and nothing else: what a push, another tag or a kept release needs stays, at every step."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airpatch.errors import AirpatchError, TargetError
from airpatch.model.digest import Digest
from airpatch.target.history import Action
from airpatch.target.pruning import Pruned, prune_root
from airpatch.target.rolling_back import roll_back
from airpatch.target.root import Root
from airpatch.target.state import current, history, interrupted, locked, receipts
from tests.support import Builder, execution
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
    put,
    sample,
    served,
    snapshot,
    staging,
    watched,
)

LARGE = Digest.of(LAYERS["large"])


@pytest.fixture
def two(root: Path, r1: Sample, r2: Sample) -> Path:
    install(root, r1.full, r2.patch(r1))
    return root


@pytest.fixture
def three(two: Path, r2: Sample, r3: Sample) -> Path:
    install(two, r3.patch(r2))
    return two


def pruned(path: Path, keep: int = 1, *, dry_run: bool = False) -> Pruned:
    with Root(path) as root:
        return prune_root(root, keep, dry_run=dry_run)


def blobs(path: Path) -> set[Digest]:
    return {Digest.from_hex(file.parent.name) for file in (path / STORAGE / "blobs").rglob("data")}


def digests(*samples: Sample) -> set[Digest]:
    return {blob.digest for one in samples for blob in one.release.blobs}


def links(path: Path) -> dict[str, object]:
    return {name: value for name, value in outside(path).items() if name.endswith("/link")}


def installed(path: Path) -> list[str]:
    with Root(path) as root:
        return sorted(receipt.release.name for receipt in receipts(root).values())


# What goes


def test_what_stays_is_what_the_kept_release_alone_would_give(place: Path, two: Path, r1: Sample, r2: Sample) -> None:
    done = pruned(two)
    install(place / "fresh", r2.full)
    assert outside(two) == outside(place / "fresh")
    assert sorted(snapshot(two / ".airpatch/signatures")) == sorted(snapshot(place / "fresh/.airpatch/signatures"))
    assert served(two) == r2.tags
    assert installed(two) == ["r2"]
    assert [receipt.release for receipt in done.forgotten] == [r1.release]
    assert {blob.digest for blob in done.blobs} == digests(r1) - digests(r2)
    assert done.bytes == sum(blob.size for blob in r1.release.blobs if blob.digest not in digests(r2))
    assert sorted(str(image.name) for image in done.tags) == ["proxy:r1", "shop/web:r1", "shop/worker:r1"]
    with Root(two) as root:
        assert current(root) == r2.id
        last = history(root).events[-1]
        assert (last.action, last.release and last.release.name) == (Action.PRUNE, "r1")
    assert staging(two) == []


def test_the_last_current_releases_are_kept(three: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    assert pruned(three, 3) == Pruned((), (), ())
    pruned(three, 2)
    assert installed(three) == ["r2", "r3"]
    assert served(three) == r2.tags | r3.tags
    with Root(three) as root:
        roll_back(root, execution())
    pruned(three, 1)
    assert installed(three) == ["r2"]
    assert served(three) == r2.tags
    assert blobs(three) == digests(r2)


def test_a_release_that_is_half_applied_is_kept(root: Path, r1: Sample, r2: Sample) -> None:
    install(root, r1.full, r2.patch(r1))

    def stop(_number: int, _name: str, path: str) -> None:
        if "web/_manifests/tags/stable" in path:
            raise Killed

    with pytest.raises(Killed), watched(stop):
        install(root, r1.full, allow_downgrade=True)
    pruned(root, 1)
    assert installed(root) == ["r1", "r2"]
    assert blobs(root) == digests(r1, r2)


def test_links_of_a_kept_release_stay_though_its_tag_has_moved_on(root: Path) -> None:
    def release(number: int, stable: bytes) -> Sample:
        builder = Builder()
        builder.tag("web:stable", builder.picture([stable]))
        builder.tag(f"tools:r{number}", builder.picture([b"tools"]))
        return sample(builder, f"r{number}", number)

    first, second, third = release(1, b"old"), release(2, b"old"), release(3, b"new")
    install(root, first.full, second.full)
    of_second = links(root)
    install(root, third.full)
    pruned(root, 2)
    gone = of_second.keys() - links(root).keys()
    assert {name for name in gone if "tags/r1/" not in name} == set()


def test_more_than_there_are(two: Path) -> None:
    before = snapshot(two)
    assert pruned(two, 10) == Pruned((), (), ())
    assert {k: v for k, v in snapshot(two).items() if "lock" not in k} == {
        k: v for k, v in before.items() if "lock" not in k
    }


def test_a_release_without_history_is_older_than_those_with(two: Path, r1: Sample) -> None:
    (two / ".airpatch/history").unlink()
    install(two, r1.full, allow_downgrade=True)
    pruned(two)
    assert installed(two) == ["r1"]


def test_all_of_a_product_goes_with_its_folders(root: Path, r2: Sample) -> None:
    product = support.tiny(1)
    install(root, product.full)
    install(root, r2.full)
    pruned(root)
    assert not (root / STORAGE / "repositories/web").exists()
    assert served(root) == r2.tags
    assert blobs(root) == digests(r2)
    assert not [
        path for path in root.rglob("*") if path.is_dir() and not any(path.iterdir()) and "staging" not in str(path)
    ]


def test_a_dry_run_writes_nothing_and_tells_the_same(three: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in [three, *three.rglob("*")]}
    before = snapshot(three)
    would = pruned(three, dry_run=True)
    assert snapshot(three) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert pruned(three) == would


def test_a_dry_run_on_a_root_without_releases(place: Path) -> None:
    assert pruned(place, dry_run=True) == Pruned((), (), ())
    assert snapshot(place) == {}


def test_one_tag_with_other_signatures_in_two_releases(root: Path) -> None:
    """The same image under the same tag, signed once more; then neither release is kept."""
    for number, signatures in ((1, [b"one"]), (2, [b"one", b"two"])):
        builder = Builder()
        web = builder.picture([b"web"])
        builder.tag("web:fixed", web, {web: signatures})
        install(root, sample(builder, f"s{number}", number).full)
    last = support.tiny(3)
    install(root, last.full)
    done = pruned(root)
    assert [str(image.name) for image in done.tags] == ["web:fixed"]
    assert served(root) == last.tags
    assert blobs(root) == digests(last)
    assert list((root / ".airpatch/signatures").iterdir()) == []


# What stays


def test_a_tag_that_was_moved_by_hand_stays(two: Path, r1: Sample, r2: Sample) -> None:
    builder = Builder()
    theirs = push(two, builder, "shop/web:r1", builder.picture([b"theirs"]))
    assert "shop/web:r1" not in [str(image.name) for image in pruned(two).tags]
    assert served(two) == r2.tags | {"shop/web:r1": theirs}


@pytest.mark.parametrize("name", ["shop/web:mine", "other/web:mine"])
def test_a_tag_that_was_pushed_to_an_old_manifest_keeps_all_of_it(two: Path, r1: Sample, r2: Sample, name: str) -> None:
    old = r1.tags["shop/web:r1"]
    push(two, r1.builder, name, r1.builder.manifests[old])
    pruned(two)
    assert served(two) == r2.tags | {name: old}


def test_a_tag_of_a_child_of_an_old_index_keeps_the_child(two: Path, r1: Sample, r2: Sample) -> None:
    with Root(two) as root:
        from airpatch.target.storage import load_manifests

        child = load_manifests(root, [r1.tags["proxy:r1"]])[r1.tags["proxy:r1"]].manifests[1].digest
    push(two, r1.builder, "proxy:arm64", r1.builder.manifests[child])
    pruned(two)
    assert served(two) == r2.tags | {"proxy:arm64": child}
    assert r1.tags["proxy:r1"] not in blobs(two)


def test_a_digest_only_push_stays(two: Path, r2: Sample) -> None:
    builder = Builder()
    manifest = builder.picture([b"worker 1", LAYERS["base"], b"web 1"])
    digest = push(two, builder, None, manifest, "shop/web")
    pruned(two)
    support.pull(two, two / STORAGE / "repositories/shop/web", digest)
    assert served(two) == r2.tags


def test_an_index_pushed_over_old_children_keeps_them(two: Path, r1: Sample, r2: Sample) -> None:
    builder = r1.builder
    web = builder.manifests[r1.tags["shop/web:r1"]]
    theirs = Builder(blobs=dict(builder.blobs), manifests=dict(builder.manifests))
    digest = push(two, theirs, None, theirs.index([web]), "shop/web")
    pruned(two)
    support.pull(two, two / STORAGE / "repositories/shop/web", digest)


def test_a_layer_of_an_upload_in_progress_stays(two: Path, r1: Sample, r2: Sample) -> None:
    """A push has its layers linked before its manifest, in a repository of its own."""
    layer = Digest.of(b"web 1")
    assert layer in digests(r1) - digests(r2)
    put(two / STORAGE / f"repositories/new/_layers/sha256/{layer.hex}/link", str(layer))
    put(two / STORAGE / "repositories/new/_uploads/1/data", b"half of a layer")
    pruned(two)
    assert layer in blobs(two)
    assert (two / STORAGE / f"repositories/new/_layers/sha256/{layer.hex}/link").exists()
    assert (two / STORAGE / "repositories/new/_uploads/1/data").exists()
    assert served(two) == r2.tags


def test_strangers_stay(two: Path, r2: Sample) -> None:
    stranger = b"nobody links to this"
    put(blob_file(two, Digest.of(stranger)), stranger)
    builder = Builder()
    theirs = push(two, builder, "theirs/app:1", builder.picture([b"app"]))
    put(two / STORAGE / "repositories/README", b"x")
    pruned(two)
    assert Digest.of(stranger) in blobs(two)
    assert served(two) == r2.tags | {"theirs/app:1": theirs}
    assert (two / STORAGE / "repositories/README").exists()


def test_a_release_that_is_half_applied_stays(two: Path, r2: Sample, r3: Sample) -> None:
    def stop(_number: int, _name: str, path: str) -> None:
        if "worker/_manifests/tags/r3" in path:
            raise Killed

    with pytest.raises(Killed), watched(stop):
        install(two, r3.patch(r2))
    pruned(two)
    with Root(two) as root:
        assert interrupted(root) is not None
    assert digests(r3) <= blobs(two)
    install(two, r3.patch(r2))
    assert served(two) == r2.tags | r3.tags


# What refuses


def test_a_damaged_revision_of_somebody_else_stops_before_the_first_change(two: Path) -> None:
    builder = Builder()
    digest = push(two, builder, "theirs/app:1", builder.picture([b"app"]))
    damage(two, digest)
    before = outside(two)
    with pytest.raises(AirpatchError, match=digest.hex):
        pruned(two)
    assert outside(two) == before


def test_adversary_18_a_repository_that_is_a_link_stops_before_the_first_change(place: Path, two: Path) -> None:
    (place / "elsewhere").mkdir()
    (two / STORAGE / "repositories/linked").symlink_to(place / "elsewhere")
    before = outside(two)
    with pytest.raises(TargetError):
        pruned(two)
    assert outside(two) == before


def test_adversary_51_not_while_another_is_at_work(two: Path) -> None:
    with Root(two) as files, locked(files), pytest.raises(TargetError, match="another airpatch"):
        pruned(two)


# Faults


def tiny_two(path: Path) -> tuple[Sample, Sample]:
    """Two releases of one index and one image; more is removed than in any order of digests by chance."""
    samples = []
    for number in (1, 2):
        builder = Builder()
        children = [builder.picture([b"%d %d" % (number, i)], config=b"{}") for i in range(3)]
        builder.tag(f"a:{number}", builder.index(children))
        builder.tag("b:stable", builder.picture([b"base", b"%d" % number], config=b"{}"))
        samples.append(sample(builder, f"r{number}", number))
        install(path, samples[-1].full)
    return samples[0], samples[1]


@support.some_and_all
def test_adversary_45_killed_before_any_change_and_run_again(place: Path, stride: int) -> None:
    """At every step each tag that is there is whole; then another run removes the rest."""
    old, root, fresh = place / "old", place / "root", place / "fresh"
    one, two = tiny_two(old)
    install(fresh, two.full)
    shutil.copytree(old, root)
    with watched(lambda *_: None) as done:
        pruned(root)
    shutil.rmtree(root)
    # Folders that become empty are most of the changes, and alike: every tenth of them.
    steps = [at for at, (name, _) in enumerate(done) if name != "remove_folder" or at % 10 == 0]
    assert len(steps) > 25
    for at in steps[::stride]:
        shutil.copytree(old, root)
        with pytest.raises(Killed), watched(killing(at)):
            pruned(root)
        seen = served(root)
        assert set(two.tags.items()) <= set(seen.items()) <= set((one.tags | two.tags).items())
        assert mark(root) <= blobs(root)
        pruned(root)
        assert outside(root) == outside(fresh), at
        assert installed(root) == ["r2"]
        assert staging(root) == []
        shutil.rmtree(root)


@settings(max_examples=10)
@given(data=st.data())
def test_adversary_46_a_power_cut_may_keep_any_of_the_blobs_that_were_removed(data: st.DataObject) -> None:
    """Removals between two barriers reach the disk in any order."""
    with support.temporary() as place:
        root, fresh = place / "root", place / "fresh"
        one, two = tiny_two(root)
        install(fresh, two.full)
        removed = sorted(digests(one) - digests(two))
        with watched(_stop_at_first_blob) as _, pytest.raises(Killed):
            pruned(root)
        drop(root, data.draw(st.lists(st.sampled_from(removed), unique=True)))
        pruned(root)
        assert outside(root) == outside(fresh)


def _stop_at_first_blob(_number: int, name: str, path: str) -> None:
    if name == "unlink" and path.startswith(f"{STORAGE}/blobs"):
        raise Killed


def test_adversary_54_a_pull_before_any_change_sees_every_tag_whole(two: Path, r1: Sample, r2: Sample) -> None:
    def pulling(_number: int, _name: str, _path: str) -> None:
        seen = served(two)
        assert set(r2.tags.items()) <= set(seen.items()) <= set((r1.tags | r2.tags).items())

    with watched(pulling) as done:
        pruned(two)
    assert len(done) > 40


def test_adversary_52_a_push_to_an_old_tag_while_it_is_removed(two: Path, r2: Sample) -> None:
    builder = Builder()
    manifest = builder.picture([b"theirs"])
    pushed: list[Digest] = []

    def pushing(_number: int, name: str, path: str) -> None:
        if name == "set_aside" and not pushed:
            pushed.append(push(two, builder, "proxy:r1", manifest))

    with watched(pushing):
        pruned(two)
    assert served(two) == r2.tags | {"proxy:r1": pushed[0]}


def test_adversary_52_an_old_tag_that_somebody_deletes_meanwhile(two: Path, r2: Sample) -> None:
    folder = two / STORAGE / "repositories/proxy/_manifests/tags/r1"

    def deleting(_number: int, name: str, _path: str) -> None:
        if name == "set_aside" and folder.exists():
            shutil.rmtree(folder)

    with watched(deleting), pytest.raises(TargetError, match="vanished"):
        pruned(two)
    pruned(two)
    assert served(two) == r2.tags


@pytest.mark.parametrize("at", range(4))
def test_adversary_47_a_failed_barrier_stops_there(
    two: Path, r1: Sample, r2: Sample, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    sync = Root.sync

    def failing(self: Root, written: list[str]) -> None:
        nonlocal calls
        calls += 1
        if calls == at + 1:
            raise TargetError("Input/output error")
        sync(self, written)

    monkeypatch.setattr(Root, "sync", failing)
    with pytest.raises(TargetError, match="Input/output"):
        pruned(two)
    monkeypatch.undo()
    assert (digests(r1) <= blobs(two)) is (at < 2)
    pruned(two)
    assert served(two) == r2.tags
    assert blobs(two) == digests(r2)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=False).returncode:
        pytest.skip("no mounts here")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_adversary_48_a_full_disk_can_be_pruned(place: Path, r1: Sample, r2: Sample, r3: Sample) -> None:
    with small_disk(place / "small", "2m"):
        root = place / "small/root"
        install(root, r1.full, r2.patch(r1))
        install(root, r3.patch(r2))
        fill(place / "small/filler")
        with pytest.raises(AirpatchError):
            install(root, r2.full, allow_downgrade=True)
        pruned(root)
        assert served(root) == r3.tags
        assert installed(root) == ["r3"]


# Any history


@st.composite
def releases(draw: st.DrawFn, number: int) -> Sample:
    """A few images out of few layers, so that releases share tags, manifests, layers and children."""
    builder = Builder()
    for _ in range(draw(st.integers(1, 3))):
        pictures = [
            builder.picture([b"layer %d" % layer for layer in layers], config=b'{"os":"linux"}')
            for layers in draw(st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=1, max_size=2))
        ]
        top = builder.index(pictures) if draw(st.booleans()) else pictures[0]
        name = draw(st.sampled_from(["a:1", "a:2", "a:stable", "a/b:1", "c:1"]))
        if name not in [str(image.name) for image in builder.images]:
            builder.tag(name, top)
    return sample(builder, f"r{number}", number)


@settings(max_examples=15)
@given(data=st.data())
def test_any_history_of_applies_pushes_rollbacks_and_prunes(data: st.DataObject) -> None:
    """Tags of kept releases and tags of pushes are whole; what only forgotten releases had is gone."""
    with support.temporary() as place:
        root = place / "root"
        known: dict[str, Sample] = {}
        pushed: dict[str, tuple[Builder, bytes]] = {}
        for number in range(data.draw(st.integers(1, 4))):
            one = data.draw(releases(number))
            known[one.release.name] = one
            install(root, one.full)
            if data.draw(st.booleans()):
                name = data.draw(st.sampled_from(["a:2", "a:theirs", "d:1"]))
                builder = one.builder
                manifest = data.draw(st.sampled_from(sorted(builder.manifests.values())))
                push(root, builder, name, manifest)
                pushed[name] = builder, manifest
        if len(known) > 1 and data.draw(st.booleans()):
            with Root(root) as files:
                roll_back(files, execution())
        before = served(root)
        keep = data.draw(st.integers(1, 3))
        would = pruned(root, keep, dry_run=True)
        assert pruned(root, keep) == would
        after = served(root)
        kept = [known[name] for name in installed(root)]
        assert len(kept) == min(keep, len({one.id for one in known.values()}))
        names = {name for one in kept for name in one.tags}
        gone = {name for name in before if name not in after}
        assert after == {name: digest for name, digest in before.items() if name not in gone}
        assert gone.isdisjoint(names)
        forgotten = {(name, d) for one in known.values() if one not in kept for name, d in one.tags.items()}
        assert {(name, before[name]) for name in gone} <= forgotten
        live = {before[name] for name in after}
        assert mark(root) <= blobs(root)
        assert digests(*kept) <= blobs(root)
        assert live <= blobs(root)
        if not pushed:
            assert blobs(root) == digests(*kept) | mark(root)
        again = snapshot(root)
        assert pruned(root, keep) == Pruned((), (), ())
        assert snapshot(root) == again
