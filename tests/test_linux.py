"""System calls of Linux, and what is done where the system lacks one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airpatch import linux
from airpatch.linux import exchange, make_folders, open_beneath, replace_folder, set_aside

Folders = tuple[int, int]


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    """Descriptors of the folders `new`, which holds `a/new`, and `live`, which holds `b/old`."""
    for folder, name, file in (("new", "a", "new"), ("live", "b", "old")):
        (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / name / file).touch()
    fds = [os.open(tmp_path / name, os.O_RDONLY | os.O_DIRECTORY) for name in ("new", "live")]
    yield fds[0], fds[1]
    for fd in fds:
        os.close(fd)


def tree(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def without_exchange(monkeypatch: pytest.MonkeyPatch, cause: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(cause, os.strerror(cause))

    monkeypatch.setattr(linux, "exchange", fail)


def test_exchanged_names(tmp_path: Path, folders: Folders) -> None:
    exchange("a", "b", dir_fd=folders[0], other_fd=folders[1])
    assert tree(tmp_path) == {"new/a/old", "live/b/new"}


def test_a_folder_is_replaced(tmp_path: Path, folders: Folders) -> None:
    replace_folder("a", "b", src_dir_fd=folders[0], dst_dir_fd=folders[1])
    assert tree(tmp_path) == {"new/a/old", "live/b/new"}


@pytest.mark.parametrize("cause", [errno.ENOSYS, errno.EINVAL])
def test_a_folder_is_replaced_where_names_cannot_be_exchanged(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch, cause: int
) -> None:
    without_exchange(monkeypatch, cause)
    replace_folder("a", "b", src_dir_fd=folders[0], dst_dir_fd=folders[1])
    assert tree(tmp_path) == {"new/a-old/old", "live/b/new"}


def cannot_be_moved(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have the folders `names` be in a lower layer of an overlay."""
    rename = os.rename

    def fail(name: str, *arguments: Any, **options: Any) -> None:
        if name in names:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(name, *arguments, **options)

    monkeypatch.setattr(os, "rename", fail)
    without_exchange(monkeypatch, errno.EXDEV)


def test_a_folder_of_a_lower_layer_gets_the_files(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new/a/manifest.json").touch()
    (tmp_path / "live/b/manifest.json").write_text("old")
    (tmp_path / "live/b/more/of it").mkdir(parents=True)
    cannot_be_moved(monkeypatch, "b")
    replace_folder("a", "b", src_dir_fd=folders[0], dst_dir_fd=folders[1])
    assert tree(tmp_path) == {"live/b/new", "live/b/manifest.json"}
    assert (tmp_path / "live/b/manifest.json").read_text() == ""


def test_a_folder_is_set_aside_or_removed(tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "live/c/d/e").mkdir(parents=True)
    (tmp_path / "live/c/d/e/file").touch()
    set_aside("b", "b2", src_dir_fd=folders[1], dst_dir_fd=folders[0])
    cannot_be_moved(monkeypatch, "c", "d", "e")
    set_aside("c", "c2", src_dir_fd=folders[1], dst_dir_fd=folders[0])
    assert tree(tmp_path) == {"new/a/new", "new/b2/old"}


def test_the_old_folder_is_put_back_when_the_new_one_cannot_be_moved(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_exchange(monkeypatch, errno.ENOSYS)
    rename, calls = os.rename, []

    def second_fails(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(*arguments, **options)

    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(OSError, match="Input/output error"):
        replace_folder("a", "b", src_dir_fd=folders[0], dst_dir_fd=folders[1])
    assert tree(tmp_path) == {"new/a/new", "live/b/old"}


def test_any_other_failure_of_an_exchange_is_raised(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_exchange(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        replace_folder("a", "b", src_dir_fd=folders[0], dst_dir_fd=folders[1])
    assert tree(tmp_path) == {"new/a/new", "live/b/old"}


def test_a_link_below_a_folder_is_not_followed(tmp_path: Path, folders: Folders) -> None:
    (tmp_path / "live/link").symlink_to("b")
    os.close(open_beneath("b/old", os.O_RDONLY, folders[1]))
    with pytest.raises(OSError, match="symbolic links") as caught:
        open_beneath("link/old", os.O_RDONLY, folders[1])
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(OSError, match="cross-device") as caught:
        open_beneath("../new/a/new", os.O_RDONLY, folders[1])
    assert caught.value.errno == errno.EXDEV


@pytest.mark.parametrize(
    ("release", "new"), [("5.7.19-generic", False), ("5.8.0", True), ("6.18-rc1+", True), ("4.19", False)]
)
def test_the_kernel_s_version_is_read(monkeypatch: pytest.MonkeyPatch, release: str, new: bool) -> None:
    names = os.uname_result(("Linux", "host", release, "#1 SMP", "x86_64"))
    monkeypatch.setattr("os.uname", lambda: names)
    assert (linux.kernel_version() >= (5, 8)) is new


def test_a_mount_has_a_number_of_its_own(tmp_path: Path) -> None:
    numbers = []
    for place in (tmp_path, tmp_path.parent, Path("/proc")):
        fd = os.open(place, os.O_RDONLY)
        numbers.append(linux.mount_of(fd))
        os.close(fd)
    assert numbers[0] == numbers[1] != numbers[2]


def test_a_hole_in_a_file_takes_no_space() -> None:
    fd = os.memfd_create("file")
    os.write(fd, b"x" * 20_000)
    before = os.fstat(fd).st_blocks
    assert linux.punch_hole(fd, 4096, 8192)
    assert os.fstat(fd).st_blocks == before - 8192 // 512
    assert os.pread(fd, 20_000, 0) == b"x" * 4096 + bytes(8192) + b"x" * (20_000 - 12_288)
    os.close(fd)
    ends = os.pipe()
    assert not linux.punch_hole(ends[1], 0, 1)
    for end in ends:
        os.close(end)


def test_much_freed_memory_is_given_back_where_the_c_library_can_do_that(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Libc:
        def malloc_trim(self, kept: int) -> None:
            asked.append(kept)

    for libc in (Libc(), object()):
        monkeypatch.setattr(linux, "_libc", libc)
        linux.trim_heap(after=100)
        linux.trim_heap(after=100 << 20)
    assert asked == [0]


def test_folders_are_made_however_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    deep = Path("d/" * 1200)
    make_folders(deep)
    make_folders(deep)
    assert deep.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_folders(tmp_path / "file")


def test_the_nearest_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert linux.nearest_folder(tmp_path / "a" / "b") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert linux.nearest_folder(Path("a")) == tmp_path
