"""Files below a root: no link is followed, owners and modes are the registry's, every failure is a TargetError."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airpatch.errors import TargetError
from airpatch.target import root as root_module
from airpatch.target.root import Root
from tests.target.support import descriptors, snapshot

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners or mounts")


@contextmanager
def umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


@pytest.fixture
def files(place: Path) -> Iterator[Root]:
    with Root(place) as opened:
        yield opened


# Links


@pytest.mark.parametrize("target", ["outside", "missing", "../place/inside", "."])
def test_adversary_18_a_link_in_place_of_a_folder_is_refused(files: Root, target: str) -> None:
    (files.path / "outside").mkdir()
    (files.path / "a").symlink_to(target)
    before = snapshot(files.path)
    for call in writers(files, "a/file"):
        with pytest.raises(TargetError, match="no links"):
            call()
    assert {k: v for k, v in snapshot(files.path).items() if k != "source"} == before


def writers(files: Root, path: str) -> list[Callable[[], object]]:
    if files.size("source") is None:
        files.write("source", b"x")
    return [
        lambda: files.create(path),
        lambda: files.write(path, b"x"),
        lambda: files.link("source", path),
        lambda: files.rename("source", path),
        lambda: files.make_folder(path),
        lambda: files.unlink(path),
        lambda: files.remove_folder(path),
        lambda: files.size(path),
        lambda: files.read(path, 10),
        lambda: files.open(path),
        lambda: files.names(path),
    ]


def test_adversary_19_a_chain_of_links_that_stays_inside_is_refused(files: Root) -> None:
    (files.path / "real/deep").mkdir(parents=True)
    (files.path / "one").symlink_to("real")
    (files.path / "two").symlink_to("one")
    for path in ("one/deep/file", "two/deep/file", "real/../one/file"):
        with pytest.raises(TargetError):
            files.make_folder(path)


@pytest.mark.parametrize("target", ["secret", "/etc/hostname", "nowhere"])
def test_adversary_18_a_link_in_place_of_a_file_is_neither_read_nor_written_through(files: Root, target: str) -> None:
    (files.path / "secret").write_bytes(b"secret")
    (files.path / "file").symlink_to(target)
    for read in (lambda: files.size("file"), lambda: files.read("file", 100), lambda: files.open("file")):
        with pytest.raises(TargetError):
            read()
    with pytest.raises(FileExistsError):
        files.create("file")
    assert not files.is_file("file")
    files.write("source", b"new")
    files.rename("source", "file")
    assert files.read("file", 3) == b"new"
    assert (files.path / "secret").read_bytes() == b"secret"


def test_adversary_18_a_folder_that_is_swapped_for_a_link_is_used_as_it_was_opened(files: Root) -> None:
    files.make_folder("a/b")
    (files.path / "elsewhere").mkdir()
    (files.path / "a").rename(files.path / "moved")
    (files.path / "a").symlink_to("elsewhere")
    files.write("a/b/file", b"x")
    assert list((files.path / "elsewhere").iterdir()) == []
    assert (files.path / "moved/b/file").read_bytes() == b"x"


def test_adversary_20_the_root_itself_may_be_a_link(place: Path) -> None:
    (place / "real").mkdir()
    (place / "name").symlink_to("real")
    with Root(place / "name", create=True) as files:
        files.make_folder("a")
        files.write("a/file", b"x")
    assert (place / "real/a/file").read_bytes() == b"x"


def test_adversary_21_a_hard_link_keeps_the_file_that_others_have(files: Root) -> None:
    files.write("shared", b"of somebody else")
    os.link(files.path / "shared", files.path / "mine")
    files.write("staged", b"new")
    files.rename("staged", "mine")
    assert files.read("shared", 100) == b"of somebody else"


def test_adversary_21_a_link_that_somebody_puts_in_staging_gives_its_target_no_name(files: Root, place: Path) -> None:
    """os.link follows them: root would have given its own files names in the storage of the registry's user."""
    secret = place / "secret"
    secret.write_bytes(b"of root")
    files.make_folder("staging")
    (files.path / "staging/1").symlink_to(secret)
    files.link("staging/1", "blobs/data")
    assert secret.stat().st_nlink == 1
    with pytest.raises(TargetError, match="not a regular file"):
        files.size("blobs/data")


@pytest.mark.parametrize("kind", ["fifo", "folder", "socket"])
def test_adversary_25_what_is_no_file_is_an_error_and_does_not_hang(files: Root, kind: str) -> None:
    path = files.path / "odd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    with pytest.raises(TargetError, match="not a regular file"):
        files.size("odd")
    with pytest.raises(TargetError):
        files.read("odd", 10)


# Owners and modes


def test_adversary_50_modes_do_not_depend_on_the_umask(place: Path) -> None:
    with umask(0o077), Root(place / "new/root", create=True) as files:
        files.make_folder("docker/registry")
        files.write("docker/registry/file", b"x")
        os.close(files.create("other"))
        for name, mode in {"": 0o755, "docker": 0o755, "docker/registry": 0o755, "docker/registry/file": 0o644}.items():
            assert stat.S_IMODE((files.path / name).stat().st_mode) == mode, name
        assert stat.S_IMODE((files.path / "other").stat().st_mode) == 0o644


def test_the_mode_of_a_root_that_is_there_stays(place: Path) -> None:
    place.chmod(0o700)
    with Root(place, create=True):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


@needs_root
def test_adversary_50_new_files_belong_to_the_owner_of_the_storage(place: Path) -> None:
    storage = place / "docker/registry/v2"
    storage.mkdir(parents=True)
    os.chown(storage, 4321, 1234)
    with Root(place) as files:
        files.make_folder("docker/registry/v2/blobs/new")
        files.write("docker/registry/v2/blobs/new/data", b"x")
    for path in ("blobs", "blobs/new", "blobs/new/data"):
        status = (storage / path).stat()
        assert (status.st_uid, status.st_gid) == (4321, 1234), path


@needs_root
def test_adversary_50_an_empty_root_gives_its_own_owner(place: Path) -> None:
    os.chown(place, 4321, 1234)
    with Root(place) as files:
        files.make_folder("docker")
    assert (place / "docker").stat().st_uid == 4321


@needs_root
def test_adversary_50_who_may_not_write_gets_one_clear_error(place: Path) -> None:
    place.chmod(0o755)
    (place / "file").write_bytes(b"x")
    (place / "file").chmod(0o600)
    os.chown(place, 0, 0)
    with Root(place) as files:
        os.seteuid(65534)
        try:
            with pytest.raises(TargetError, match="Permission denied; check owner and mode"):
                files.make_folder("a")
            with pytest.raises(TargetError, match="Permission denied"):
                files.open("file")
            with pytest.raises(TargetError, match="Permission denied"):
                Root(place / "below", create=True)
        finally:
            os.seteuid(0)


# Folders that others remove


def test_adversary_53_a_folder_that_vanishes_while_it_is_open_is_made_again(files: Root) -> None:
    files.make_folder("a/b/c")
    files.write("one", b"1")
    files.write("two", b"2")
    (files.path / "a/b/c").rmdir()
    (files.path / "a/b").rmdir()
    assert files.link("one", "a/b/c/file")
    (files.path / "a/b/c/file").unlink()
    (files.path / "a/b/c").rmdir()
    files.rename("two", "a/b/c/file")
    assert files.read("a/b/c/file", 1) == b"2"


def test_adversary_53_a_folder_made_anew_by_somebody_else_is_found(files: Root) -> None:
    files.make_folder("a/b")
    files.write("one", b"1")
    (files.path / "a/b").rmdir()
    (files.path / "a/b").mkdir()
    (files.path / "a/b/file").write_bytes(b"theirs")
    assert not files.link("one", "a/b/file")
    assert files.read("a/b/file", 10) == b"theirs"


@pytest.mark.parametrize("call", ["link", "rename", "move_folder"])
def test_adversary_58_a_source_that_somebody_removed_is_a_target_error(files: Root, call: str) -> None:
    with pytest.raises(TargetError, match="vanished"):
        getattr(files, call)("gone", "a/b")


def test_adversary_53_a_file_that_vanishes_between_two_looks_is_not_there(
    files: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write("file", b"x")
    size = files.size

    def removing(path: str) -> int | None:
        found = size(path)
        (files.path / path).unlink(missing_ok=True)
        return found

    monkeypatch.setattr(files, "size", removing)
    assert files.read("file", 10) is None


def test_a_path_of_more_folders_than_are_kept_open_works(files: Root) -> None:
    deep = "/".join(["a"] * 150)
    files.make_folder("staging")
    for number in range(3):
        files.write(f"staging/{number}", b"%d" % number)
        files.rename(f"staging/{number}", f"{deep}/{number}/file")
        assert files.read(f"{deep}/{number}/file", 1) == b"%d" % number


def test_descriptors_are_bounded_and_all_closed(place: Path) -> None:
    before = descriptors()
    with Root(place) as files:
        for number in range(600):
            files.make_folder(f"folder/{number}")
        assert descriptors() < before + 400
    assert descriptors() == before


# Removing


def test_adversary_58_a_tree_is_removed_with_whatever_it_holds(files: Root) -> None:
    (files.path / "precious").mkdir()
    (files.path / "precious/file").write_bytes(b"x")
    tree = files.path / "tree"
    (tree / "a/b/c").mkdir(parents=True)
    (tree / "a/file").write_bytes(b"x")
    (tree / "a/b/link").symlink_to("/etc")
    (tree / "precious").symlink_to("../precious")
    (tree / os.fsdecode(b"\xff\n")).write_bytes(b"odd name")
    os.mkfifo(tree / "a/fifo")
    (tree / "a").chmod(0o500)
    files.remove_tree("tree")
    files.remove_tree("never there")
    assert not tree.exists()
    assert (files.path / "precious/file").read_bytes() == b"x"


def test_removing_tells_what_was_there(files: Root) -> None:
    files.make_folder("a/b")
    files.write("a/b/file", b"x")
    assert not files.remove_folder("a/b")
    assert files.unlink("a/b/file")
    assert not files.unlink("a/b/file")
    assert files.remove_folder("a/b")
    assert files.remove_folder("a/b")
    assert files.names("a") == []
    assert files.names("b/c") == []


def test_reading_is_bounded(files: Root) -> None:
    files.write("file", bytes(100))
    assert files.read("file", 100) == bytes(100)
    with pytest.raises(TargetError, match="100 bytes, more than the 99"):
        files.read("file", 99)


def test_a_folder_that_was_set_aside_is_not_the_one_of_its_name_any_more(files: Root) -> None:
    files.make_folder("a")
    files.write("a/b", b"old")
    assert files.set_aside("a", "aside")
    files.make_folder("a")
    files.write("a/b", b"new")
    assert (files.read("a/b", 3), files.read("aside/b", 3)) == (b"new", b"old")


def test_what_is_no_file_leaves_nothing_open(files: Root) -> None:
    files.make_folder("a/folder")
    files.write("a/file", b"x")
    os.link(files.path / "a/file", files.path / "a/second name")
    files.make_folder("a")
    before = descriptors()
    with pytest.raises(TargetError):
        files.open("a/folder")
    with pytest.raises(TargetError):
        files.open_lock("a/second name")
    assert descriptors() == before


# Errors of the system


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.ENOSPC, "No space left on device; free some space"),
        (errno.EDQUOT, "quota is used up"),
        (errno.EROFS, "Read-only file system; mount it writable"),
        (errno.EXDEV, "[Cc]ross-device"),
        (errno.EIO, "Input/output error"),
        (errno.EMFILE, r"Too many open files; allow the process more of them \(ulimit -n\)"),
    ],
)
def test_adversary_47_48_50_errors_of_the_system_name_path_and_cause(
    files: Root, monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    files.write("a", b"x")
    for name in ("link", "rename", "mkdir", "unlink"):
        monkeypatch.setattr(os, name, fail)
    for call in (
        lambda: files.link("a", "b"),
        lambda: files.rename("a", "b"),
        lambda: files.make_folder("c"),
        lambda: files.unlink("a"),
    ):
        with pytest.raises(TargetError, match=text) as caught:
            call()
        assert str(files.path) in caught.value.message


@pytest.mark.parametrize("name", ["link", "rename"])
def test_adversary_50_a_file_that_cannot_be_moved_to_another_mount_says_what_to_do(
    files: Root, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    files.write("a", b"x")
    monkeypatch.setattr(os, name, fail)
    with pytest.raises(TargetError, match=r"b: a cannot be moved there .*put all of the root on a volume of its own"):
        getattr(files, name)("a", "b")


def test_adversary_48_a_file_that_cannot_be_made_as_it_must_be_is_closed(
    files: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", fail)
    before = descriptors()
    with umask(0o077), pytest.raises(TargetError):
        files.create("file")
    assert descriptors() == before


def test_adversary_47_a_failed_sync_is_an_error_and_not_repeated(files: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing(fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(root_module, "syncfs", failing)
    with pytest.raises(TargetError, match="Input/output error"):
        files.sync([])
    assert len(calls) == 1


def test_adversary_47_an_old_kernel_has_each_file_synced_by_itself(
    files: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    fsync = os.fsync

    def tracing(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", tracing)
    files.write("a", b"x")
    files.write("b", b"x")
    files.sync(["a", "b"])
    assert synced == []
    monkeypatch.setattr(root_module, "SYNCFS_REPORTS_ERRORS", False)
    files.sync(["a", "b"])
    assert synced == ["a", "b"]

    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    before = descriptors()
    with pytest.raises(TargetError, match="Input/output error"):
        files.sync(["a"])
    assert descriptors() == before


def test_room_is_that_of_the_file_system(files: Root) -> None:
    room = files.room()
    status = os.statvfs(files.path)
    assert room.size == pytest.approx(status.f_bavail * status.f_frsize, abs=256 << 20)
    assert room.files is None or room.files > 0


@pytest.mark.parametrize("kind", ["file", "below a file", "missing"])
def test_a_root_that_cannot_be_is_a_target_error(place: Path, kind: str) -> None:
    (place / "file").write_bytes(b"x")
    path = {"file": place / "file", "below a file": place / "file/root", "missing": place / "missing"}[kind]
    before = descriptors()
    with pytest.raises(TargetError):
        Root(path, create=kind != "missing")
    assert descriptors() == before


def test_adversary_18_a_root_whose_storage_is_a_link_is_refused_and_nothing_stays_open(place: Path) -> None:
    (place / "elsewhere").mkdir()
    (place / "docker").symlink_to("elsewhere")
    before = descriptors()
    with pytest.raises(TargetError):
        Root(place)
    assert descriptors() == before


def test_adversary_29_what_is_no_file_is_not_opened(files: Root) -> None:
    files.make_folder("a")
    os.mkfifo(files.path / "pipe")
    for path in ("a", "pipe"):
        with pytest.raises(TargetError, match=f"{path}: is not a regular file"):
            files.open(path)


@needs_root
def test_adversary_50_whether_names_can_be_given_is_found_without_giving_any(place: Path) -> None:
    place.chmod(0o755)
    (place / "closed").mkdir()
    with Root(place) as files:
        files.require_writable("closed")
        os.seteuid(65534)
        try:
            with pytest.raises(TargetError, match="closed: Permission denied"):
                files.require_writable("closed")
        finally:
            os.seteuid(0)


def test_a_folder_does_not_replace_one_whatever_the_file_system_calls_that(
    files: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rename(2): EEXIST or ENOTEMPTY."""
    for name in ("a", "b"):
        files.make_folder(f"{name}/inside")
    assert not files.move_folder("a", "b")

    def rename(*_: object, **__: object) -> None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "rename", rename)
    assert not files.move_folder("a", "b")


def test_a_name_is_that_of_an_open_file_until_it_is_given_to_another(files: Root) -> None:
    files.write("a", b"1")
    files.write("b", b"2")
    fd = files.open("a")
    try:
        assert files.is_same(fd, "a")
        assert not files.is_same(fd, "b")
        assert not files.is_same(fd, "gone")
    finally:
        os.close(fd)
