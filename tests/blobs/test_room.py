"""Room on file systems: what is refused before the work, and how."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from airpatch.blobs import room
from airpatch.blobs.room import Room, Rooms, require_scratch, room_at
from airpatch.blobs.scratch import scratch_files
from airpatch.errors import TargetError
from tests.target.support import descriptors


def status(**values: int) -> Callable[[object], os.statvfs_result]:
    names = ["bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "flag", "namemax"]
    return lambda _: os.statvfs_result([values.get(name, 0) for name in names])


def test_what_fits_is_let_through() -> None:
    Room(1000, 10).require("/there", 1000, 10)
    Room(1000, None).require("/there", 1000, 10**9)


def test_what_does_not_fit_is_refused_with_both_figures() -> None:
    with pytest.raises(TargetError, match=r"^/there: 1,001 bytes are needed for this and 1,000 are free; make room"):
        Room(1000, 10).require("/there", 1001, 10, " for this")
    with pytest.raises(TargetError, match=r"^/there: 11 files and folders are needed .* has room for 10; remove some"):
        Room(1000, 10).require("/there", 1000, 11)


def test_what_shares_a_file_system_must_fit_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(room, "room_at", lambda _: Room(1000, 10))
    rooms = Rooms()
    rooms.take(tmp_path / "root", "the root", 400, 4)
    rooms.require(tmp_path / "images/there", "the images", 500, 5)
    rooms.require(Path("/proc"), "others", 1000, 10)
    with pytest.raises(
        TargetError,
        match=r"files: 1,100 bytes are needed \(200 for the files, 500 for the images, 400 for the root\) and 1,000 ",
    ):
        rooms.require(tmp_path / "files", "the files", 200)
    with pytest.raises(TargetError, match=r"alone: 1,001 bytes are needed for the images and 1,000 are free"):
        Rooms().require(tmp_path / "alone", "the images", 1001)
    with pytest.raises(TargetError, match=r"alone: 11 files and folders are needed "):
        Rooms().require(tmp_path / "alone", "the images", 0, 11)


def test_what_a_file_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "statvfs", status(frsize=1024, blocks=9, bavail=7, files=100, favail=5))
    assert room_at(tmp_path) == Room(7 << 10, 5, 1024)
    monkeypatch.setattr(os, "statvfs", status(frsize=1 << 20, blocks=9, bavail=7))
    assert room_at(tmp_path) == Room(7 << 20, None, 4096)  # NFS gives its transfer size, btrfs has no limit of files
    monkeypatch.setattr(os, "statvfs", status(frsize=4096))
    room_at(tmp_path).require("a file system in memory, without a limit", 1 << 60, 1 << 60)


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="missing: No such file"):
        room_at(tmp_path / "missing")


def test_scratch_files_that_do_not_fit_are_refused_with_their_folder(tmp_path: Path) -> None:
    before = descriptors()
    require_scratch(scratch_files(tmp_path), 0)
    require_scratch(scratch_files(tmp_path), 1)
    with pytest.raises(TargetError, match=r"bytes are needed for scratch files and [\d,]+ are free") as caught:
        require_scratch(scratch_files(tmp_path), 1 << 60)
    assert caught.value.message.startswith(f"{tmp_path}: ")
    assert (descriptors(), os.listdir(tmp_path)) == (before, [])


def test_scratch_files_that_cannot_be_made_are_called_so(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"^scratch files in .*/nowhere: No such file or directory"):
        scratch_files(tmp_path / "nowhere")()
