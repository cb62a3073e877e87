"""Bundles by name: which kind of reader opens what, and what is answered where there is no bundle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airpatch.archive.frame_reader import FileFrameReader, PipeFrameReader
from airpatch.archive.open_bundles import is_bundle, open_frames
from airpatch.errors import TargetError, UsageError
from tests.support import Builder


@pytest.fixture(name="path")
def bundle_file(tmp_path: Path, sample: Builder) -> Path:
    path = tmp_path / "full.tar.zst"
    path.write_bytes(sample.bundle())
    return path


def test_what_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo = path.with_name("fifo")
    os.mkfifo(fifo)
    write = os.open(fifo, os.O_RDWR)
    source = open_frames(str(fifo))
    assert isinstance(source, PipeFrameReader)
    source.close()
    os.close(write)
    saved = os.dup(0)
    try:
        for opened, kind in (
            (os.open(path, os.O_RDONLY), FileFrameReader),
            (os.open("/dev/null", os.O_RDONLY), PipeFrameReader),
        ):
            os.dup2(opened, 0)
            os.close(opened)
            source = open_frames("-")
            assert isinstance(source, kind)
            assert source.name == "standard input"
            source.close()
        os.close(0)
        with pytest.raises(TargetError):
            open_frames("-")
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_what_is_not_opened(path: Path) -> None:
    for other in (path.parent, path / "x", path.with_name("nothing")):
        with pytest.raises(UsageError, match=other.name):
            open_frames(str(other))


def test_bundles_are_recognised_by_their_end(path: Path) -> None:
    fifo = path.with_name("fifo")
    os.mkfifo(fifo)
    other = path.with_name("other")
    other.write_bytes(b"x" * 100)
    assert is_bundle(path)
    for no_bundle in (other, fifo, path.parent, path.with_name("nothing")):
        assert not is_bundle(no_bundle)


def test_a_folder_of_images_is_answered_with_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"'airpatch create {tmp_path} -o BUNDLE'"):
        open_frames(str(tmp_path))


def test_a_release_of_a_store_is_answered_with_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"'airpatch create {tmp_path}#4.2.1 -o BUNDLE'"):
        open_frames(f"{tmp_path}#4.2.1")
