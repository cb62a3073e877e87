"""What a member of a layer of files may be."""

from __future__ import annotations

import io
import stat
import tarfile

import pytest

from airpatch.errors import FormatError
from airpatch.files.tar_entries import FileEntry, entry_of


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "a/..", "../a", "a/./b", "a\0b", "\udc80", "x" * 5000])
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(FormatError):
        FileEntry(path, stat.S_IFREG, 0o644)


@pytest.mark.parametrize("target", ["", "/etc/passwd", "..", "../../x", "x/../..", "x/../y", "../x/..", "x\0y"])
def test_links_that_lead_out_are_refused(target: str) -> None:
    with pytest.raises(FormatError):
        FileEntry("link", stat.S_IFLNK, 0o777, 0, target)


@pytest.mark.parametrize(("path", "target"), [("a/l", "../b"), ("a/b/l", "../../c/./d"), ("l", "a/b"), ("l", ".")])
def test_links_that_stay_inside(path: str, target: str) -> None:
    assert FileEntry(path, stat.S_IFLNK, 0o777, 0, target).target == target


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"x"])
def test_members_that_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("a")
    info.type = kind
    with pytest.raises(FormatError, match="neither"):
        entry_of(info)


@pytest.mark.parametrize("size", [0, 5, 9 << 30])
def test_headers_are_read_as_they_were_written(size: int) -> None:
    entry = FileEntry("größe/" + "x" * 200, stat.S_IFREG, 0o640, size)
    header = entry.header()
    with tarfile.open(fileobj=io.BytesIO(header)) as archive:
        info = archive.next()
    assert info is not None
    assert entry_of(info) == entry
