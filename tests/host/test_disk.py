"""What a disk does, tried on this one and on calls that fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from airpatch.host import disk
from airpatch.host.facts import Verdict


def test_nothing_is_left_of_an_attempt(tmp_path: Path) -> None:
    facts = {fact.name: fact.state for fact in disk.file_system(tmp_path)}
    assert list(facts) == ["fsync", "rename exchange", "hard links", "locks"]
    assert facts["fsync"] is Verdict.OK
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_the_file_system_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(disk, "exchange", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    facts = {fact.name: fact for fact in disk.file_system(tmp_path)}
    assert facts["fsync"].state is Verdict.MISSING
    assert facts["rename exchange"].state is Verdict.LIMITED
    assert "EINVAL" in facts["rename exchange"].text
    assert list(tmp_path.iterdir()) == []


def test_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.rights("rights", [tmp_path]).state is Verdict.OK
    monkeypatch.setattr(os, "access", lambda *_: False)
    fact = disk.rights("rights", [tmp_path])
    assert fact.state is Verdict.MISSING
    assert str(tmp_path) in fact.text


def test_room(tmp_path: Path) -> None:
    assert disk.room("room", tmp_path).state is Verdict.OK
    full = os.statvfs_result((4096, 4096, 9, 9, 9, 9, 0, 0, 0, 255))

    def no_inodes(_: Path) -> os.statvfs_result:
        return full

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "statvfs", no_inodes)
        assert disk.room("room", tmp_path).state is Verdict.MISSING


def test_what_is_in_the_way_of_a_folder(tmp_path: Path) -> None:
    file, dangling = tmp_path / "file", tmp_path / "dangling"
    file.touch()
    dangling.symlink_to("nowhere")
    assert disk.in_the_way(file) == disk.in_the_way(file / "a" / "b") == file
    assert disk.in_the_way(dangling) == dangling
    assert disk.in_the_way(tmp_path) is disk.in_the_way(tmp_path / "a" / "b") is None
