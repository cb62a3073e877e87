"""Folders below a directory: kept open, made when they are missing, and no way out through a symbolic link."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from airpatch.blobs import folders as module
from airpatch.blobs.folders import FOLDER, PASS_THROUGH, Folders, is_own


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_missing_folders_are_made_on_demand_only(tmp_path: Path, top: int) -> None:
    with closing(Folders(top)) as folders:
        with pytest.raises(FileNotFoundError):
            folders.get("a/b")
        assert folders.status("a/b") is None
        above, name = folders.locate("a/b/c", create=True)
        assert (tmp_path / "a" / "b").is_dir()
        assert not (tmp_path / "a" / "b" / "c").exists()
        assert (os.fstat(above).st_ino, name) == ((tmp_path / "a" / "b").stat().st_ino, "c")


def test_what_makes_folders_is_told_path_name_and_place(top: int) -> None:
    made: list[str] = []

    def make(path: str, name: str, above: int) -> int:
        made.append(path)
        return module.make_plainly(path, name, above)

    with closing(Folders(top, make)) as folders:
        folders.get("a/b", create=True)
        folders.get("a/c", create=True)
    assert made == ["a", "a/b", "a/c"]


@pytest.mark.parametrize("path", ["link", "link/file", "a/link/file"])
@pytest.mark.parametrize("flags", [FOLDER, PASS_THROUGH])
def test_links_are_not_followed(path: str, flags: int, tmp_path: Path, top: int) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / "a").mkdir()
    for place in ("link", "a/link"):
        (tmp_path / place).symlink_to(tmp_path / "outside")
    with closing(Folders(top, flags=flags)) as folders, pytest.raises(OSError, match="link") as caught:
        folders.open(path)
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)


def test_no_way_up(top: int) -> None:
    for path in ("..", "a/../..", "../x"):
        with closing(Folders(top)) as folders, pytest.raises(OSError, match="link") as caught:
            folders.open(path)
        assert caught.value.errno == errno.EXDEV


def test_a_folder_that_was_replaced_is_found_once_it_is_forgotten(tmp_path: Path, top: int) -> None:
    with closing(Folders(top)) as folders:
        folders.get("a/b/c", create=True)
        (tmp_path / "a").rename(tmp_path / "old")
        folders.forget("a/b")
        assert "a" not in folders
        assert "a/b/c" not in folders
        assert folders.status("a") is None


def test_forgetting_what_is_below_keeps_the_folder(top: int) -> None:
    with closing(Folders(top)) as folders:
        folders.get("a/b", create=True)
        folders.get("ab", create=True)
        folders.forget_below("a")
        assert ("a" in folders, "a/b" in folders, "ab" in folders) == (True, False, True)


def test_few_descriptors_are_kept_and_none_stay(top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 5)
    before = open_descriptors()
    with closing(Folders(top)) as folders:
        for number in range(20):
            folders.get(str(number), create=True)
            assert open_descriptors() - before <= 5
    assert open_descriptors() == before


def test_a_folder_is_one_s_own_where_a_server_gives_what_root_makes_to_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert is_own(fd)
        monkeypatch.setattr(os, "geteuid", lambda: 4321)  # root_squash: others own what this process makes
        assert is_own(fd)
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")
def test_a_folder_of_somebody_else_is_not_one_s_own(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 4321)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert not is_own(fd)
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(fd)
