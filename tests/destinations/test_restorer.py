"""Images come back as they went in, and nothing changes before all of them are there."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airpatch.blobs import room
from airpatch.blobs.room import Room, Rooms
from airpatch.destinations import restorer
from airpatch.destinations.destination import STAGING, Destination
from airpatch.destinations.restorer import Form, content_size, restore_images
from airpatch.destinations.transfer import LinkMode
from airpatch.errors import IntegrityError, SourceError, TargetError, UsageError
from airpatch.model.digest import Digest
from airpatch.model.manifest import parse_manifest
from airpatch.progress import NO_PROGRESS, Progress
from airpatch.sources.gather import Gathered, gather
from tests.destinations.conftest import files, gathered
from tests.sources.sample_sources import IMAGES, KINDS, Kind, pack
from tests.support import Builder, Recorder, execution, sample

forms = pytest.mark.parametrize("form", Form, ids=lambda form: form.value)


def run(found: Gathered, out: Path, *, jobs: int = 2, progress: Progress = NO_PROGRESS, **options: Any) -> None:
    work = execution(jobs, progress)
    restore_images(found.release.images, found.manifests, found.content, out, work, **options)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_dir_images_come_back_as_they_went_in(kind: Kind, tmp_path: Path) -> None:
    kind.make(IMAGES, tmp_path / "source")
    run(gather([str(tmp_path / "source")]), tmp_path / "out")
    assert files(tmp_path / "out") == files(IMAGES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@forms
def test_creating_again_gives_the_same_bundle(kind: Kind, form: Form, tmp_path: Path, images: Gathered) -> None:
    kind.make(IMAGES, tmp_path / "source")
    run(gather([str(tmp_path / "source")]), tmp_path / "out", form=form)
    assert pack(gather([str(tmp_path / "out")])) == pack(images)


@forms
def test_the_same_images_give_the_same_files(form: Form, tmp_path: Path, images: Gathered) -> None:
    run(images, tmp_path / "one", form=form, jobs=1)
    run(images, tmp_path / "two", form=form, jobs=4)
    run(images, tmp_path / "two", form=form, jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_modes_follow_the_umask_as_those_of_skopeo(tmp_path: Path, images: Gathered) -> None:
    old = os.umask(0o027)
    try:
        run(images, tmp_path / "out")
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("out/**/*") if path.is_file()} == {0o640}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("out/**/*") if path.is_dir()} == {0o750}


@forms
def test_blobs_that_images_share_are_read_once(form: Form, tmp_path: Path) -> None:
    builder = sample()
    content = builder.content
    progress = Recorder()
    images = builder.release.images
    restore_images(images, builder.manifests, content, tmp_path / "out", execution(2, progress), form=form)
    assert len(content.opened) == len(set(content.opened)) == len(builder.blobs)
    assert progress.adds_up
    (part,) = progress.parts
    assert part.total == content_size(images, builder.manifests) == sum(map(len, builder.blobs.values()))


def test_everything_is_on_disk_before_images_take_their_places(
    tmp_path: Path, images: Gathered, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    place = Destination.place_folder

    def note(destination: Destination, part: str, path: str) -> None:
        calls.append(len(synced))
        place(destination, part, path)

    monkeypatch.setattr(Destination, "place_folder", note)
    run(images, tmp_path / "out")
    assert calls == [1] * len(images.release.images)
    assert len(synced) == 2


# What was there


def old_state(out: Path, form: Form) -> Path:
    """Other content under the names of the sample, other images and foreign files."""
    builder = Builder()
    for name in ("shop/web:r1", "shop/web:r0", "proxy:r1"):
        builder.tag(name, builder.picture([b"old " + name.encode()]))
    run(gathered(builder), out, form=form)
    (out / "notes.txt").write_text("notes")
    (out / "shop/more").mkdir(parents=True, exist_ok=True)
    (out / "shop/more/notes.txt").write_text("notes")
    return out


def test_images_are_replaced_and_all_else_is_left_alone(tmp_path: Path, images: Gathered) -> None:
    out = old_state(tmp_path / "out", Form.DIR)
    (out / "shop/web:r1/leftover").write_text("of the old image")
    kept = {name: content for name, content in files(out).items() if "r0" in name or "notes" in name}
    run(images, out)
    assert files(out) == files(IMAGES) | kept


def test_a_layout_keeps_its_other_images(tmp_path: Path, images: Gathered) -> None:
    out = old_state(tmp_path / "out", Form.OCI)
    run(images, out, form=Form.OCI)
    (out / "shop").rename(tmp_path / "shop")
    names = {str(image.name) for image in images.release.images}
    assert {str(image.name) for image in gather([str(out)]).release.images} == names | {"shop/web:r0"}
    assert gather([str(out)], picks=sorted(names)).release == images.release


def test_signatures_in_a_layout_are_those_of_the_release(tmp_path: Path) -> None:
    builder = Builder()
    web, db = builder.picture([b"web"]), builder.picture([b"db"])
    builder.tag("web:r1", web, {web: [b"one", b"two"]})
    builder.tag("db:r1", db, {db: [b"one"]})
    out = tmp_path / "out"
    run(gathered(builder), out, form=Form.OCI)
    fewer = [
        replace(image, signatures=image.signatures[:1] if "web" in str(image.name) else ()) for image in builder.images
    ]
    restore_images(fewer, builder.manifests, builder.content, out, execution(), form=Form.OCI)
    assert {str(i.name): len(i.signatures) for i in gather([str(out)]).release.images} == {"web:r1": 1, "db:r1": 0}


def test_a_folder_is_replaced_where_names_cannot_be_exchanged(
    tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object, **__: object) -> None:
        raise OSError(38, "Function not implemented")

    out = old_state(tmp_path / "out", Form.DIR)
    monkeypatch.setattr("airpatch.linux.exchange", unavailable)
    run(images, out)
    assert files(IMAGES).items() <= files(out).items()


# Bad content


@forms
def test_27_wrong_content_is_named_with_its_images_and_nothing_changes(form: Form, tmp_path: Path) -> None:
    out = old_state(tmp_path / "out", form)
    before = files(out)
    builder = sample()
    found = gathered(builder)
    content = builder.content
    for layer in (b"web", b"arm64"):
        content.blobs[Digest.of(layer)] = b"x" * len(layer)
    with pytest.raises(IntegrityError) as caught:
        run(replace(found, content=content), out, form=form)
    first, second = caught.value.findings
    assert first.startswith(f"proxy:r1: content of {Digest.of(b'arm64')} has the digest")
    assert second.startswith(f"shop/web:r1, shop/web:stable: content of {Digest.of(b'web')} has the digest")
    assert files(out) == before


def test_missing_content_is_named(tmp_path: Path) -> None:
    builder = sample()
    content = builder.content
    del content.blobs[Digest.of(b"web")]
    with pytest.raises(SourceError) as caught:
        run(replace(gathered(builder), content=content), tmp_path / "out")
    assert caught.value.findings[0].startswith("shop/web:r1, shop/web:stable: ")
    assert files(tmp_path / "out") == {}


def test_a_blob_of_many_images_names_a_few(tmp_path: Path) -> None:
    builder = Builder()
    for number in range(6):
        builder.tag(f"web:r{number}", builder.picture([b"base", b"%d" % number]))
    content = builder.content
    content.blobs[Digest.of(b"base")] = b"BASE"
    with pytest.raises(IntegrityError) as caught:
        run(replace(gathered(builder), content=content), tmp_path / "out")
    assert caught.value.findings[0].startswith("web:r0, web:r1, web:r2 and 3 more: content of ")


# Links


def test_hard_links_are_the_files_of_the_root(tmp_path: Path) -> None:
    KINDS[1].make(IMAGES, tmp_path / "root")
    run(gather([str(tmp_path / "root")]), tmp_path / "out", link=LinkMode.HARD)
    assert files(tmp_path / "out") == files(IMAGES)
    inodes = {path.stat().st_ino for path in (tmp_path / "root").rglob("data")}
    blobs = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and len(path.name) == 64]
    assert blobs
    assert all(path.stat().st_ino in inodes for path in blobs)


@pytest.mark.parametrize("link", LinkMode)
def test_links_need_no_room(link: LinkMode, tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "room_at", lambda _: Room(100, None))
    parsed = {digest: parse_manifest(content) for digest, content in images.manifests.items()}
    refused = pytest.raises(TargetError, match="100 are free") if link is LinkMode.COPY else nullcontext()
    with refused:
        restorer.require_place(images.release.images, parsed, tmp_path / "out", Form.DIR, link, Rooms())


def test_hard_links_of_wrong_content_are_not_made(tmp_path: Path) -> None:
    KINDS[1].make(IMAGES, tmp_path / "root")
    found = gather([str(tmp_path / "root")])
    largest = max((tmp_path / "root").rglob("data"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[77] ^= 1
    largest.write_bytes(content)
    with pytest.raises(IntegrityError):
        run(found, tmp_path / "out", link=LinkMode.HARD)
    assert files(tmp_path / "out") == {}


def test_hard_links_out_of_a_bundle_are_wrong_usage(tmp_path: Path) -> None:
    KINDS[3].make(IMAGES, tmp_path / "bundle")
    with pytest.raises(UsageError, match="a bundle has none"):
        run(gather([str(tmp_path / "bundle")]), tmp_path / "out", link=LinkMode.HARD)


def test_50_hard_links_across_file_systems_are_explained(
    tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", link)
    with pytest.raises(TargetError, match="hard links cannot reach across"):
        run(images, tmp_path / "out", link=LinkMode.HARD)


@pytest.mark.parametrize("kind", [KINDS[1], KINDS[3]], ids=lambda kind: kind.name)
def test_reflinks(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind.make(IMAGES, tmp_path / "source")
    clones = []

    def clone(fd: int, request: int, source: int) -> None:
        assert request == 0x40049409
        clones.append(fd)
        size = os.fstat(source).st_size
        assert os.pwrite(fd, os.pread(source, size, 0), 0) == size

    monkeypatch.setattr("fcntl.ioctl", clone)
    run(gather([str(tmp_path / "source")]), tmp_path / "out", link=LinkMode.REFLINK)
    assert clones
    assert files(tmp_path / "out") == files(IMAGES)


def test_reflinks_that_the_file_system_lacks_are_explained(
    tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.ioctl", clone)
    with pytest.raises(TargetError, match="Btrfs or XFS"):
        run(images, tmp_path / "out", link=LinkMode.REFLINK)


def test_copies_are_made_where_the_kernel_cannot_copy_ranges(
    tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.copy_file_range", copy)
    run(images, tmp_path / "out")
    assert files(tmp_path / "out") == files(IMAGES)


@pytest.mark.parametrize(
    ("call", "link"),
    [("os.copy_file_range", LinkMode.COPY), ("os.sendfile", LinkMode.COPY), ("fcntl.ioctl", LinkMode.REFLINK)],
)
def test_adversary_47_a_copy_that_fails_is_told_and_nothing_is_placed(
    call: str, link: LinkMode, tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    if call == "os.sendfile":
        monkeypatch.setattr("os.copy_file_range", lambda *_: 0)  # what it gives where it cannot copy
    monkeypatch.setattr(call, fail)
    with pytest.raises(TargetError, match="Input/output error"):
        run(images, tmp_path / "out", link=link)
    assert not (tmp_path / "out").exists()


def test_adversary_57_a_file_that_becomes_shorter_while_it_is_copied(
    tmp_path: Path, images: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in ("os.copy_file_range", "os.sendfile"):
        monkeypatch.setattr(call, lambda *_: 0)
    with pytest.raises(TargetError, match="became shorter while it was copied"):
        run(images, tmp_path / "out")


# Things in the way


def symlink_above(out: Path, outside: Path) -> None:
    (out / "shop").symlink_to(outside)


def symlink_at_the_image(out: Path, outside: Path) -> None:
    (out / "shop").mkdir()
    (out / "shop/web:r1").symlink_to(outside)


def file_at_the_image(out: Path, _: Path) -> None:
    (out / "shop").mkdir()
    (out / "shop/web:r1").write_text("precious")


def foreign_folder(out: Path, _: Path) -> None:
    (out / "shop/web:r1").mkdir(parents=True)
    (out / "shop/web:r1/precious").write_text("precious")


def image_with_folders(out: Path, _: Path) -> None:
    (out / "shop/web:r1/web:r1").mkdir(parents=True)
    (out / "shop/web:r1/version").write_text("Directory Transport Version: 1.1\n")


@pytest.mark.parametrize(
    "plant", [symlink_above, symlink_at_the_image, file_at_the_image, foreign_folder, image_with_folders]
)
def test_18_what_is_in_the_way_stays_and_is_named(
    plant: Callable[[Path, Path], None], tmp_path: Path, images: Gathered
) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    plant(out, outside)
    before = files(tmp_path)
    with pytest.raises(TargetError) as caught:
        run(images, out)
    assert caught.value.findings[0].startswith(f"{out}/shop")
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", ".airpatch"])
def test_18_links_in_a_layout_are_not_followed(name: str, tmp_path: Path, images: Gathered) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    (out / name).parent.mkdir(parents=True)
    outside.mkdir()
    (out / name).symlink_to(outside)
    with pytest.raises(TargetError, match="something is in the way"):
        run(images, out, form=Form.OCI)
    assert files(outside) == {}


def test_18_a_link_planted_while_restoring_is_not_followed(tmp_path: Path, images: Gathered) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()

    def plant() -> None:
        with suppress(FileExistsError):  # another thread has planted it
            (out / "shop").symlink_to(outside)

    with pytest.raises(TargetError, match=str(out)):
        run(images, out, progress=Recorder(plant))
    assert files(outside) == {}


def test_18_a_link_in_place_of_the_hidden_folder_is_not_followed(tmp_path: Path, images: Gathered) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "precious").write_text("precious")
    (out / STAGING).symlink_to(outside)
    with pytest.raises(TargetError):
        run(images, out)
    assert files(outside) == {"precious": b"precious"}


def test_20_the_destination_itself_may_be_a_link(tmp_path: Path, images: Gathered) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    run(images, tmp_path / "out")
    assert files(tmp_path / "disk") == files(IMAGES)


@pytest.mark.parametrize("content", [b"", b"not JSON"])
def test_a_layout_with_a_broken_index_is_refused(content: bytes, tmp_path: Path, images: Gathered) -> None:
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(TargetError, match=r"index\.json"):
        run(images, tmp_path, form=Form.OCI)
    assert files(tmp_path) == {"index.json": content}


def test_51_a_second_restore_into_the_folder_is_refused(tmp_path: Path, images: Gathered) -> None:
    with Destination(tmp_path), pytest.raises(TargetError, match="another restore"):
        run(images, tmp_path)


def test_a_destination_that_is_a_file(tmp_path: Path, images: Gathered) -> None:
    (tmp_path / "out").write_text("file")
    with pytest.raises(TargetError):
        run(images, tmp_path / "out")


# Interruptions


@forms
def test_56_ctrl_c_leaves_everything_as_it_was(form: Form, tmp_path: Path, images: Gathered) -> None:
    out = old_state(tmp_path / "out", form)
    before = files(out)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(images, out, form=form, progress=Recorder(interrupt))
    assert files(out) == before


PLACING = ("place_folder", "place_file", "remove_folder")


@forms
@pytest.mark.parametrize("die_at", [0, 1, 3, 5])
def test_56_a_run_that_dies_leaves_every_image_whole(form: Form, die_at: int, tmp_path: Path, images: Gathered) -> None:
    out = old_state(tmp_path / "out", form)
    old = {str(i.name): i for i in gather([f"{form.value}:{out}"]).release.images}
    child = os.fork()
    if not child:
        steps = iter(range(10**6))
        for name in PLACING:
            setattr(Destination, name, dying(getattr(Destination, name), steps, die_at))
        try:
            run(images, out, form=form)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (out / STAGING).is_dir()
    new = {str(i.name): i for i in images.release.images}
    for image in gather([f"{form.value}:{out}"]).release.images:
        assert image in (old.get(str(image.name)), new.get(str(image.name)))
    run(images, out, form=form)
    assert not (out / STAGING).exists()
    assert gather([f"{form.value}:{out}"], picks=sorted(new)).release == images.release


def dying(step: Callable[..., None], steps: Iterator[int], die_at: int) -> Callable[..., None]:
    def run_or_die(*args: object) -> None:
        if next(steps) == die_at:
            os._exit(9)
        step(*args)

    return run_or_die


def test_what_a_dead_run_left_is_swept(tmp_path: Path, images: Gathered) -> None:
    shutil.copytree(IMAGES, tmp_path / STAGING / "0")
    run(images, tmp_path)
    assert files(tmp_path) == files(IMAGES)


@pytest.mark.faults
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_48_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, images: Gathered) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(TargetError, match=r"No space left|bytes are needed and [\d,]+ are free"):
            run(images, tmp_path)
        assert files(tmp_path) == {}
    finally:
        subprocess.run(["umount", tmp_path], check=True)
