"""Members of layers of files, as airpatch writes them and as strangers may."""

from __future__ import annotations

import io
import stat
import tarfile

import pytest

from airpatch.errors import FormatError
from airpatch.files.tar_entries import FileEntry
from airpatch.files.tar_reading import read_members


def extended(*records: bytes, size: int | None = None) -> bytes:
    """An extended header with `records`, which may claim another size."""
    body = b"".join(b"%d %s\n" % (len(record) + 2 + len(b"%d" % (len(record) + 4)), record) for record in records)
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(body) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def member(path: str = "a", content: bytes = b"") -> bytes:
    return FileEntry(path, stat.S_IFREG, 0o644, len(content)).header() + content + bytes(-len(content) % 512)


def read(content: bytes) -> dict[str, bytes]:
    stream = io.BytesIO(content)
    return {entry.path: b"".join(pieces) for entry, pieces in read_members(stream.read)}


@pytest.mark.parametrize("size", [0, 1, 512, 3 << 20])
def test_members_are_read_as_they_were_written(size: int) -> None:
    long = "größe/" + "x" * 300
    assert read(member("a", bytes(size)) + member(long, b"1") + bytes(1024)) == {"a": bytes(size), long: b"1"}
    folder = FileEntry(long, stat.S_IFDIR, 0o750)
    link = FileEntry(f"{long}/l", stat.S_IFLNK, 0o777, 0, "y" * 200)
    stream = io.BytesIO(folder.header() + link.header())
    assert [entry for entry, _ in read_members(stream.read)] == [folder, link]


def test_content_that_nobody_reads_is_passed_over() -> None:
    stream = io.BytesIO(member("a", bytes(3000)) + member("b", b"1"))
    assert [entry.path for entry, _ in read_members(stream.read)] == ["a", "b"]


@pytest.mark.parametrize(
    "content",
    [
        b"x" * 512,
        member()[:300],
        member("a", bytes(600))[:900],
        extended(b"path=b") * 2000 + member(),
        extended(b"path=b"),
        extended(size=1 << 40),
        extended(b"mtime=1") + member(),
        extended(b"path=" + b"x" * 40_000) + member(),
        extended(b"path=../b") + member(),
        extended(b"size=-1") + member(),
        extended(b"size=" + b"9" * 19) + member(),
        extended(b"size=" + b"9" * 5000) + member(),
        extended(b"path=b")[:512] + b"5 path" + bytes(506) + member(),
        extended(b"path=b\0c") + member(),
        extended(b"path=\xff") + member(),
    ],
)
def test_24_what_is_not_written_so_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        read(content)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE, tarfile.GNUTYPE_SPARSE, tarfile.LNKTYPE])
def test_25_other_kinds_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("a")
    info.type = kind
    with pytest.raises(FormatError, match="neither"):
        read(info.tobuf())
