"""What a disk does, tried on this one and on calls that fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from airpatch.host import storage
from airpatch.host.facts import State


def test_nothing_is_left_of_an_attempt(tmp_path: Path) -> None:
    facts = {fact.name: fact.state for fact in storage.file_system(tmp_path)}
    assert list(facts) == ["fsync", "rename exchange", "hard links", "locks"]
    assert facts["fsync"] is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_the_file_system_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(storage, "exchange", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    facts = {fact.name: fact for fact in storage.file_system(tmp_path)}
    assert facts["fsync"].state is State.MISSING
    assert facts["rename exchange"].state is State.LIMITED
    assert "EINVAL" in facts["rename exchange"].text
    assert list(tmp_path.iterdir()) == []


def test_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert storage.rights("rights", [tmp_path]).state is State.OK
    monkeypatch.setattr(os, "access", lambda *_: False)
    fact = storage.rights("rights", [tmp_path])
    assert fact.state is State.MISSING
    assert str(tmp_path) in fact.text


def test_room(tmp_path: Path) -> None:
    assert storage.room("room", tmp_path).state is State.OK
    full = os.statvfs_result((4096, 4096, 9, 9, 9, 9, 0, 0, 0, 255))

    def no_inodes(_: Path) -> os.statvfs_result:
        return full

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "statvfs", no_inodes)
        assert storage.room("room", tmp_path).state is State.MISSING


def test_what_is_in_the_way_of_a_folder(tmp_path: Path) -> None:
    file, dangling = tmp_path / "file", tmp_path / "dangling"
    file.touch()
    dangling.symlink_to("nowhere")
    assert storage.in_the_way(file) == storage.in_the_way(file / "a" / "b") == file
    assert storage.in_the_way(dangling) == dangling
    assert storage.in_the_way(tmp_path) is storage.in_the_way(tmp_path / "a" / "b") is None


def test_nearest_folder(tmp_path: Path) -> None:
    assert storage.nearest_folder(tmp_path / "a" / "b") == tmp_path
