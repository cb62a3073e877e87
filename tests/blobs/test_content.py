"""Blobs out of files and memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airpatch.blobs import content
from airpatch.blobs.content import BytesBlob, FileBlob, check_digest, pieces, read_blob
from airpatch.errors import IntegrityError, SourceError
from airpatch.model.digest import Digest
from tests.support import MemoryContent

DATA = bytes(range(256)) * 10


@pytest.fixture(name="path")
def blob_file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    return path


def opened(path: Path, size: int) -> FileBlob:
    return FileBlob(os.open(path, os.O_RDONLY | os.O_NONBLOCK), str(path), size, SourceError)


def test_a_file_is_read_at_any_offset(path: Path) -> None:
    blob = opened(path, len(DATA))
    for offset, size in ((0, 10), (5, 0), (250, 20), (len(DATA) - 1, 1)):
        buffer = bytearray(size)
        blob.read_into(memoryview(buffer), offset)
        assert buffer == DATA[offset : offset + size]
    blob.close()


def test_adversary_29_what_is_not_the_file(path: Path) -> None:
    """Empty, of another size, a folder, a pipe; whatever it is, its descriptor is closed."""
    fifo, empty = path.with_name("fifo"), path.with_name("empty")
    os.mkfifo(fifo)
    empty.touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for other in (fifo, empty, path.parent):
        with pytest.raises(SourceError, match=other.name):
            opened(other, len(DATA))
    for size in (len(DATA) - 1, len(DATA) + 1):
        with pytest.raises(SourceError, match="bytes, not"):
            opened(path, size)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_shrinks(path: Path) -> None:
    blob = opened(path, len(DATA))
    os.truncate(path, 100)
    with pytest.raises(SourceError, match="shrank while"):
        blob.read_into(memoryview(bytearray(10)), 95)
    blob.close()


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 2560])
def test_pieces_are_the_blob(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "PIECE", 100)
    parts = [bytes(piece) for piece in pieces(BytesBlob(DATA[:size]), size)]
    assert b"".join(parts) == DATA[:size]
    assert all(len(part) == 100 for part in parts[:-1])


def test_a_whole_blob_is_verified() -> None:
    digest = Digest.of(DATA)
    assert read_blob(MemoryContent({digest: DATA}), digest, len(DATA)) == DATA
    with pytest.raises(IntegrityError, match=f"content of {digest} has the digest {Digest.of(DATA[::-1])}"):
        read_blob(MemoryContent({digest: DATA[::-1]}), digest, len(DATA))


def test_check_digest() -> None:
    check_digest(Digest.of(b"x").raw, Digest.of(b"x"))
    with pytest.raises(IntegrityError):
        check_digest(Digest.of(b"y").raw, Digest.of(b"x"))
