"""The folder that images go to: whose it may be, who may lock it, what else lies in it."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import airpatch
from airpatch.destinations.destination import STAGING, Destination, check_is_no_root
from airpatch.destinations.restorer import restore_images
from airpatch.errors import TargetError, UsageError
from airpatch.sources.gather import Gathered
from tests.destinations.conftest import files
from tests.sources.sample_sources import IMAGES
from tests.support import execution
from tests.target.support import descriptors

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user")
STORAGE = "docker/registry/v2"

IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "fifo": lambda path: os.mkfifo(path),
    "file": lambda path: path.write_bytes(b"x"),
    "link": lambda path: path.symlink_to("/etc"),
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_what_is_no_folder_at_the_name_of_ours_is_an_error_and_stays(tmp_path: Path, kind: str) -> None:
    IN_THE_WAY[kind](tmp_path / STAGING)
    before = (tmp_path / STAGING).lstat()
    with pytest.raises(TargetError, match=STAGING):
        Destination(tmp_path)
    assert (tmp_path / STAGING).lstat() == before


def test_leftovers_are_removed_however_deep(tmp_path: Path) -> None:
    (tmp_path / STAGING).mkdir()
    fd = os.open(tmp_path / STAGING, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    with Destination(tmp_path):
        assert os.listdir(tmp_path / STAGING) == []
    assert os.listdir(tmp_path) == []


@needs_root
def test_adversary_50_a_folder_that_may_be_written_and_not_read_is_enough(tmp_path: Path, images: Gathered) -> None:
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o300)
    for folder in (out, tmp_path):
        os.chown(folder, 65534, 65534)
    tmp_path.chmod(0o755)
    for above in tmp_path.parents[:-2]:
        above.chmod(above.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        restore_images(images.release.images, images.manifests, images.content, out, execution(1))
    finally:
        os.seteuid(0)
    assert files(out) == files(IMAGES)


@needs_root
def test_adversary_51_another_user_cannot_hold_the_lock(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with Destination(tmp_path):
        held = subprocess.run(
            [sys.executable, "-c", "import os, sys; os.setuid(65534); os.open(sys.argv[1], 0)", tmp_path / STAGING],
            capture_output=True,
            check=False,
        )
        assert b"PermissionError" in held.stderr
    fd = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which anybody can who may read the folder
    with Destination(tmp_path):
        pass
    os.close(fd)


@needs_root
def test_a_hidden_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / STAGING).mkdir()
    os.chown(tmp_path / STAGING, 4321, 4321)
    with pytest.raises(TargetError, match="belongs to another user"):
        Destination(tmp_path)


def test_a_file_is_no_place_for_images(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TargetError, match="file: File exists; name a folder"):
        Destination(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_folders_that_were_made_go_where_nothing_is_placed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Destination(tmp_path / "a" / "b"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "docker", STORAGE, f"{STORAGE}/blobs/new", ".airpatch/staging"])
def test_a_registry_s_root_is_no_place_for_images(tmp_path: Path, images: Gathered, below: str) -> None:
    (tmp_path / STORAGE).mkdir(parents=True)
    with pytest.raises(UsageError, match="belongs to a registry"):
        restore_images(images.release.images, images.manifests, images.content, tmp_path / below, execution(1))
    assert os.listdir(tmp_path) == ["docker"]
    check_is_no_root(tmp_path / "images")


@needs_root
def test_adversary_48_no_room_is_found_before_a_byte_is_written(tmp_path: Path, images: Gathered) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], check=True)
    try:
        with pytest.raises(TargetError, match=r"bytes are needed and [\d,]+ are free; make room"):
            restore_images(images.release.images, images.manifests, images.content, tmp_path / "out", execution(1))
        assert files(tmp_path / "out") == {}
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# What else lies there


def test_other_images_are_told_and_removed_on_request(tmp_path: Path, images: Gathered) -> None:
    out = tmp_path / "out"
    shutil.copytree(IMAGES / "shop", out / "old/shop")
    (out / "notes").write_text("x")

    def run(*, exact: bool) -> list[str]:
        return restore_images(images.release.images, images.manifests, images.content, out, execution(1), exact=exact)

    others = sorted(str(path.parent.relative_to(out)) for path in out.rglob("manifest.json"))
    assert others
    assert run(exact=False) == others
    assert run(exact=True) == others
    assert (out / "notes").read_text() == "x"
    assert run(exact=True) == []
    (out / "notes").unlink()
    assert files(out) == files(IMAGES)


def test_a_release_of_a_root_is_restored_with_its_own_images(tmp_path: Path) -> None:
    for name in ("r1", "r2"):
        airpatch.create(IMAGES.parent / name, tmp_path / name, release=name)
        airpatch.apply(tmp_path / name, tmp_path / "root")
    for name in ("r1", "r2"):
        done = airpatch.restore(tmp_path / "root", tmp_path / "out" / name, release=name)
        assert files(tmp_path / "out" / name) == files(IMAGES.parent / name)
        assert done.others == ()
    one = airpatch.restore(tmp_path / "root", tmp_path / "one", release="r1", images=["shop/web"])
    assert [str(image.name) for image in one.images] == ["shop/web:r1"]
    with pytest.raises(UsageError, match="is not installed; installed: "):
        airpatch.restore(tmp_path / "root", tmp_path / "none", release="r3")
    with pytest.raises(UsageError, match="has release r1, not r2"):
        airpatch.restore(tmp_path / "r1", tmp_path / "none", release="r2")
    assert not (tmp_path / "none").exists()


def test_adversary_53_the_hidden_folder_may_be_removed_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run that held it before: at the moment before it is opened, and before it is locked."""
    for call in ("open", "fchmod"):
        original = getattr(os, call)
        calls: list[int] = []

        def removed_at_first(
            *words: object, original: Callable[..., object] = original, calls: list[int] = calls, **options: object
        ) -> object:
            if not calls and (tmp_path / STAGING).exists():
                calls.append(1)
                (tmp_path / STAGING).rmdir()
            return original(*words, **options)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, removed_at_first)
            with Destination(tmp_path):
                assert (tmp_path / STAGING).is_dir()
        assert calls == [1]
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("module", "call"), [("airpatch.linux", "remove_all"), ("fcntl", "flock")], ids=["while it is emptied", "locked"]
)
def test_an_interrupted_start_leaves_nothing_open_or_made(
    module: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = descriptors()
    monkeypatch.setattr(f"{module}.{call}", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Destination(tmp_path / "new")
    assert descriptors() == before


@pytest.mark.parametrize("call", ["link", "rename"])
def test_adversary_47_errors_of_the_system_name_path_and_cause(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Destination(tmp_path) as destination:
        destination.make_folder("part")
        with destination.create("part/file") as fd, monkeypatch.context() as patched:
            patched.setattr(os, call, fail)
            actions: dict[str, Callable[[], None]] = {
                "link": lambda: destination.link(fd, "part/other"),
                "rename": lambda: destination.place_folder("part", "shop/web:r1"),
            }
            with pytest.raises(TargetError, match="Input/output error"):
                actions[call]()


def test_adversary_47_what_was_written_is_not_called_right_where_closing_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a network file system that tells there that it has no room. Whatever was only read is not looked at."""
    close = os.close

    def failing(fd: int) -> None:
        close(fd)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with Destination(tmp_path / "out") as destination:
        destination.make_folder("part")
        with monkeypatch.context() as patched:
            patched.setattr(os, "close", failing)
            with pytest.raises(TargetError, match="part/file: Disk quota exceeded"), destination.create("part/file"):
                pass
            with pytest.raises(KeyError), destination.create("part/other"):
                raise KeyError
            assert destination.tree.status("shop") is None
        monkeypatch.setattr(os, "close", failing)
    monkeypatch.undo()
    assert os.listdir(tmp_path / "out") == []
