"""What `airpatch.split` looks at before it writes a part."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import airpatch
from airpatch.blobs.room import Room
from airpatch.errors import TargetError, UsageError
from airpatch.operations import split_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    return path


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.parametrize("parity", [0, 2])
def test_parts_for_which_there_is_no_room_are_not_begun(
    parity: int, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    airpatch.split(file, tmp_path / "parts", size=64 << 10, parity=parity)
    needed = size_of(tmp_path / "parts")
    monkeypatch.setattr(split_file, "room_at", lambda _: Room(needed - 1, None))
    with pytest.raises(TargetError, match=f"{needed:,} bytes are needed and {needed - 1:,} are free"):
        airpatch.split(file, tmp_path / "new/parts", size=64 << 10, parity=parity)
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(split_file, "room_at", lambda _: Room(needed, None))
    airpatch.split(file, tmp_path / "new/parts", size=64 << 10, parity=parity)


def test_a_folder_that_was_made_goes_where_no_part_is_written(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "there").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        for folder in ("new/parts", "there"):
            with pytest.raises(TargetError, match="No space left"):
                airpatch.split(file, tmp_path / folder, size=64 << 10)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_of_other_things_stays_as_it_is(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not empty"):
        airpatch.split(file, tmp_path, size=64 << 10)
    assert list(tmp_path.iterdir()) == [file]
