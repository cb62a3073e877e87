"""A new root comes to be whole; a folder that is none is refused; a refusal leaves no trace."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.errors import AirpatchError, BaseMismatch, TargetError, UsageError
from airpatch.linux import remove_empty
from airpatch.target import new_root
from airpatch.target.new_root import check_place, check_target, make_root, require_place, require_root
from tests.target import support
from tests.target.support import Sample, install, snapshot, try_out

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="acts as another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def strict_umask() -> object:
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.mark.usefixtures("strict_umask")
def test_adversary_50_the_folders_above_a_new_root_are_open_to_readers(place: Path, r1: Sample) -> None:
    install(place / "a/b/root", r1.full)
    assert [mode(place / name) for name in ("a", "a/b", "a/b/root", "a/b/root/docker")] == [0o755] * 4


@pytest.mark.usefixtures("strict_umask")
@pytest.mark.parametrize("call", ["mkdir", "fchmod", "rename_folder"])
def test_adversary_45_a_kill_leaves_no_folder_with_another_mode(
    place: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    where: object = new_root if call == "rename_folder" else os
    original: Callable[..., object] = getattr(where, call)
    for at in range(10):
        root = place / str(at) / "b/c"
        calls = 0

        def killing(*args: object, at: int = at, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls > at:
                raise support.Killed
            return original(*args, **options)

        with monkeypatch.context() as patched:
            patched.setattr(where, call, killing)
            try:
                make_root(root)
            except support.Killed:
                assert not (place / str(at)).exists()
            else:
                assert at > 0
                return
        assert make_root(root) == [root.parents[1], root.parent, root]
        assert [mode(path) for path in (root.parents[1], root.parent, root)] == [0o755] * 3
        assert [name for name in os.listdir(place) if name.startswith(".")] == []
    pytest.fail("never came to its end")


def test_adversary_18_a_link_planted_just_before_the_root_is_made_keeps_the_mode_of_its_target(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "secret").mkdir(mode=0o700)
    original = os.mkdir

    def planting(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        (place / "root").symlink_to("secret")
        original(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", planting)
    assert make_root(place / "root") == []
    assert mode(place / "secret") == 0o700
    assert sorted(os.listdir(place)) == ["root", "secret"]


def test_adversary_18_a_link_at_the_name_that_a_new_root_has_first_is_not_followed(place: Path) -> None:
    (place / "secret").mkdir(mode=0o700)
    (place / ".root.airpatch-new").symlink_to("secret")
    with pytest.raises(NotADirectoryError):
        make_root(place / "root")
    assert mode(place / "secret") == 0o700


def test_adversary_51_two_runs_do_not_make_one_root_at_once(place: Path) -> None:
    (place / ".root.airpatch-new").mkdir()
    fd = os.open(place / ".root.airpatch-new", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(TargetError, match="another airpatch"):
        make_root(place / "root")
    os.close(fd)
    assert make_root(place / "root") == [place / "root"]


def test_only_what_was_made_and_is_empty_is_removed_again(place: Path) -> None:
    made = make_root(place / "a/b/c")
    (place / "a/file").write_bytes(b"x")
    remove_empty(made)
    assert snapshot(place) == {"a": stat.S_IFDIR, "a/file": b"x"}


# Wrong roots


def test_a_root_inside_the_storage_of_another_is_refused(root: Path, r1: Sample) -> None:
    install(root, r1.full)
    before = snapshot(root)
    for below in ("docker", "docker/registry", "docker/registry/v2", "docker/registry/v2/blobs", "docker/new"):
        for call in (lambda path: install(path, r1.full), lambda path: try_out(path, r1.full), require_root):
            with pytest.raises(UsageError, match=f"name its root, {root}$"):
                call(root / below)
    assert snapshot(root) == before
    check_place(root / "other")
    check_place(root)


@pytest.mark.parametrize("kind", ["missing", "other", "file"])
def test_what_is_no_root_is_refused(place: Path, kind: str) -> None:
    (place / "other").mkdir()
    (place / "other/photo").write_bytes(b"x")
    (place / "file").write_bytes(b"x")
    before = snapshot(place)
    message = "is a file, where a registry's root is expected" if kind == "file" else "is not a registry's root"
    with pytest.raises(UsageError, match=message):
        require_root(place / kind)
    assert snapshot(place) == before


# Refusals


def damaged(bundle: bytes) -> bytes:
    return bundle[: len(bundle) // 2] + bytes([bundle[len(bundle) // 2] ^ 1]) + bundle[len(bundle) // 2 + 1 :]


@pytest.mark.parametrize("there", ["nothing", "folder", "storage"])
@pytest.mark.parametrize("why", ["lacks its base", "damaged"])
def test_a_refusal_leaves_nothing_behind(place: Path, r1: Sample, r2: Sample, there: str, why: str) -> None:
    root = place / "above/root"
    if there != "nothing":
        (root / "docker/registry/v2" if there == "storage" else root).mkdir(parents=True)
    before = snapshot(place)
    with pytest.raises(AirpatchError):
        install(root, r2.patch(r1) if why == "lacks its base" else damaged(r1.full))
    assert snapshot(place) == before


def test_a_patch_for_a_root_that_is_not_there_says_so(place: Path, r1: Sample, r2: Sample) -> None:
    (place / "folder").mkdir()
    for name in ("root", "folder"):
        with pytest.raises(BaseMismatch, match=f"there is no registry at .*{name} yet"):
            install(place / name, r2.patch(r1))
        tried = try_out(place / name, r2.patch(r1))[0]
        assert (tried.is_new, bool(tried.missing)) == (True, True)


def test_a_new_registry_is_told_from_one_that_was_there(place: Path, r1: Sample, r2: Sample) -> None:
    assert try_out(place / "root", r1.full)[0].is_new
    assert install(place / "root", r1.full)[0].is_new
    assert not install(place / "root", r2.full)[0].is_new
    assert not try_out(place / "root", r2.full)[0].is_new


@needs_root
def test_folders_that_may_not_be_looked_into_and_loops_are_told_with_their_path(place: Path) -> None:
    (place / "closed/inside").mkdir(parents=True)
    (place / "closed").chmod(0o700)
    (place / "loop").symlink_to("loop")
    place.chmod(0o755)
    os.seteuid(65534)
    try:
        for path in (place / "closed/inside", place / "loop"):
            check_place(path)
            with pytest.raises(TargetError, match=f"{path}: cannot be reached: "):
                require_root(path)
    finally:
        os.seteuid(0)


@needs_root
@pytest.mark.parametrize("part", ["docker/registry/v2", "docker/registry/v2/blobs", "docker/registry/v2/repositories"])
def test_adversary_50_a_part_on_another_file_system_is_found_before_the_first_write(
    place: Path, r1: Sample, part: str
) -> None:
    mount = place / "root" / part
    mount.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], check=True)
    try:
        before = snapshot(place)
        for call in (install, try_out):
            with pytest.raises(TargetError, match=f"{part}: is on another file system"):
                call(place / "root", r1.full)
        assert snapshot(place) == before
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.mark.parametrize(
    ("path", "reason"), [("file/root", "Not a directory"), ("a" * 256, "too long"), ("new/" + "a" * 256, "too long")]
)
def test_a_place_where_no_root_can_be_made_is_found_in_a_dry_run(
    place: Path, r1: Sample, path: str, reason: str
) -> None:
    (place / "file").write_bytes(b"x")
    before = snapshot(place)
    for call in (install, try_out):
        with pytest.raises(TargetError, match=reason):
            call(place / path, r1.full)
    assert snapshot(place) == before


@needs_root
def test_adversary_50_a_place_that_may_not_be_written_is_found_in_a_dry_run(place: Path, r1: Sample) -> None:
    (place / "closed").mkdir()
    place.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(TargetError, match="Permission denied"):
            try_out(place / "closed/root", r1.full)
        with pytest.raises(TargetError, match="closed: Permission denied"):
            require_place(place / "closed")
    finally:
        os.seteuid(0)


def test_adversary_15_a_way_up_through_a_folder_that_is_not_there(place: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_root(place / "new/../root")
    assert os.listdir(place) == []


@needs_root
def test_adversary_50_a_folder_that_somebody_else_began_is_not_used(place: Path) -> None:
    (place / ".root.airpatch-new").mkdir()
    os.chown(place / ".root.airpatch-new", 4321, 4321)
    with pytest.raises(TargetError, match="belongs to another user"):
        make_root(place / "root")
    assert os.listdir(place) == [".root.airpatch-new"]


@pytest.mark.parametrize("held", ["shop/web:r1/manifest.json", "oci-layout", "docker/whalesay:latest/x", "r1.tar.zst"])
def test_a_folder_of_other_things_does_not_become_a_root(place: Path, r1: Sample, held: str) -> None:
    root = place / "images"
    (root / held).parent.mkdir(parents=True)
    (root / held).touch()
    before = snapshot(root)
    for work in (install, try_out):
        with pytest.raises(UsageError, match=f"nor empty: it holds {held.partition('/')[0]}; name the root"):
            work(root, r1.full)
    assert snapshot(root) == before


def test_a_link_to_nothing_is_told(place: Path, r1: Sample) -> None:
    (place / "root").symlink_to("disk/registry")
    for work in (install, try_out):
        with pytest.raises(TargetError, match="root: is a link to disk/registry, which is not there; mount or make"):
            work(place / "root", r1.full)
    (place / "disk/registry").mkdir(parents=True)
    install(place / "root", r1.full)


def test_many_other_things_are_not_all_named(place: Path) -> None:
    for name in "edcba":
        (place / name).touch()
    with pytest.raises(UsageError, match="it holds a, b, c and more;"):
        check_target(place)


@pytest.mark.parametrize("held", ["", "lost+found", ".airpatch", ".snapshot", "docker/registry/v2", "docker/registry"])
def test_a_folder_that_may_become_a_root(place: Path, r1: Sample, held: str) -> None:
    """A new file system, what another run has left, and the storage of a registry to which nothing was pushed yet."""
    root = place / "root"
    (root / held).mkdir(parents=True)
    install(root, r1.full)


def test_a_root_may_hold_other_things_too(place: Path, r1: Sample) -> None:
    root = place / "root"
    install(root, r1.full)
    (root / "scheduler-state.json").touch()
    check_target(root)


def test_a_root_may_be_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path("d/" * 1200)
    assert len(make_root(root)) == 1200
    assert root.is_dir()
    assert os.listdir(tmp_path) == ["d"]
