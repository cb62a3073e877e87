"""Archives are read where they lie, and hostile ones cost nothing: no byte is extracted."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import AirpatchError, FormatError, SourceError
from airpatch.format import zstd
from airpatch.sources import tar_files
from airpatch.sources.tar_files import MAX_EXTENDED, TarFiles, is_header, open_archive
from tests.sources.support import tar

LONG = "x" * 90 + "/" + "y" * 90 + "/" + "z" * 90


def new_file() -> int:
    return os.memfd_create("scratch")


def opened(content: bytes, name: str = "x.tar") -> TarFiles:
    fd = os.memfd_create(name)
    os.write(fd, content)
    return TarFiles(fd, len(content), Path(name))


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_are_found_by_name_in_every_format(format_: int) -> None:
    long = LONG[91:] if format_ == tarfile.USTAR_FORMAT else LONG
    files = opened(tar(("a", b"one"), ("./b/c", b"two"), (long, b"three"), ("empty", b""), format_=format_))
    assert files.read("a", 3) == b"one"
    assert files.read("b/c", 100) == b"two"
    assert files.read(long, 100) == b"three"
    assert files.size("empty") == 0
    assert files.size("nowhere") is None
    assert files.lacks("nowhere")
    assert not files.lacks("a")
    assert files.is_folder("b")
    assert [entry.name for entry in files.scan("b")] == ["c"]
    view = bytearray(2)
    files.blob("b/c", 3).read_into(memoryview(view), 1)
    assert view == b"wo"
    with pytest.raises(SourceError, match="has 3 bytes, not 4"):
        files.blob("a", 4)
    with pytest.raises(SourceError, match="has more than 2 bytes"):
        files.read("a", 2)


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, zstd.compress], ids=["plain", "gz", "zst"])
def test_an_archive_may_be_compressed(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(compress(tar(("a", b"one" * 1000))))
    files = open_archive(path, new_file)
    assert files is not None
    assert files.read("a", 3000) == b"one" * 1000


def test_what_gnu_tar_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "tree/folder").mkdir(parents=True)
    (tmp_path / "tree/folder/file").write_bytes(b"content")
    (tmp_path / "tree/link").symlink_to("folder/file")
    os.link(tmp_path / "tree/folder/file", tmp_path / "tree/second")
    for format_ in ("gnu", "pax", "ustar"):
        subprocess.run(["tar", "-C", tmp_path / "tree", f"--format={format_}", "-cf", tmp_path / "x", "."], check=True)
        files = open_archive(tmp_path / "x", new_file)
        assert files is not None
        for name in ("folder/file", "link", "second"):
            assert files.read(name, 7) == b"content"


@pytest.mark.parametrize("content", [b"", b"x", b"no archive" * 100, gzip.compress(b"no" * 100, mtime=0), bytes(1024)])
def test_what_is_no_archive_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    assert open_archive(tmp_path / "x", new_file) is None


def test_24_what_is_compressed_and_no_archive_is_not_decompressed_to_its_end(tmp_path: Path) -> None:
    sizes = []

    def scratch() -> int:
        fd = new_file()
        sizes.append(fd)
        return os.dup(fd)

    (tmp_path / "x").write_bytes(gzip.compress(bytes(64 << 20)))
    assert open_archive(tmp_path / "x", scratch) is None
    assert os.fstat(sizes[0]).st_size == 0


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress], ids=["gz", "zst"])
def test_a_compressed_archive_cut_short_is_named(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(compress(tar(("a", os.urandom(300_000))))[:200_000])
    with pytest.raises((FormatError, SourceError), match="cut short: copy it again"):
        open_archive(path, new_file)


@pytest.mark.parametrize("size", [512, 700, 1023])
def test_an_archive_cut_short_is_named(size: int) -> None:
    with pytest.raises(SourceError, match=r"x\.tar: is cut short: copy it again"):
        opened(tar(("a", b"x" * 512))[:size])


def with_header(content: bytes, position: int, start: int, field: bytes) -> bytes:
    """`content` with a field of the header at `position` replaced, and its checksum mended."""
    header = bytearray(content[position : position + 512])
    header[start : start + len(field)] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:position] + bytes(header) + content[position + 512 :]


def test_24_a_giant_extended_header_is_refused_before_it_is_read() -> None:
    for kind in b"xgLK":
        content = with_header(tar(("a", b"")), 0, 156, bytes([kind]))
        content = with_header(content, 0, 124, b"%011o\0" % (MAX_EXTENDED + 1)) + bytes(MAX_EXTENDED + 1024)
        with pytest.raises(SourceError, match="has an extended header of 1048577 bytes, more than 1048576"):
            opened(content)


@pytest.mark.parametrize(
    "record", [b"x", b"5 path=x\n", b"99 path=x\n", b"0 path=x\n", b"9 path=xx", b"10 path=xx\0", b"-1 path=x\n"]
)
def test_24_malformed_extended_headers_are_refused(record: bytes) -> None:
    content = with_header(tar(("a", record)), 0, 156, b"x")
    with pytest.raises(SourceError, match="malformed extended header"):
        opened(content)


def test_24_sparse_files_cannot_be_read() -> None:
    content = with_header(tar(("a", b"x")), 0, 156, b"S")
    with pytest.raises(SourceError, match="a: is a sparse file"):
        opened(content).read("a", 10)
    record = b"22 GNU.sparse.major=1\n"
    content = with_header(tar(("x", record)), 0, 156, b"x")[:1024] + tar(("a", b"x"))
    with pytest.raises(SourceError, match="a: is a sparse file"):
        opened(content).read("a", 10)


@pytest.mark.parametrize(
    "size", [b"\x80" + b"\xff" * 11, b"\xff" * 12, b"9" * 12, b"\x80" + bytes(3) + b"\x80" + bytes(7)]
)
def test_24_sizes_that_cannot_be_are_refused(size: bytes) -> None:
    with pytest.raises(SourceError, match=r"malformed size|is cut short"):
        opened(with_header(tar(("a", b"x")), 0, 124, size))


def test_a_size_in_base_256_is_read() -> None:
    content = with_header(tar(("a", b"xyz")), 0, 124, b"\x80" + struct.pack(">3xQ", 3))
    assert opened(content).read("a", 3) == b"xyz"


def test_34_a_name_twice_with_other_content_cannot_be_read() -> None:
    files = opened(tar(("a", b"one"), ("a", b"two"), ("b", b"same"), ("b", b"same")))
    assert files.read("b", 4) == b"same"
    with pytest.raises(SourceError, match="a: occurs twice in the archive, with different content"):
        files.read("a", 3)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd", "folder/../../x"])
def test_18_links_that_lead_out_are_not_followed(target: str) -> None:
    files = opened(tar(("folder/link", target), ("a", b"x")))
    assert files.size("folder/link") is None
    with pytest.raises(SourceError, match=r"folder/link: is a link that leads out of the archive|is missing"):
        files.read("folder/link", 10)


def test_19_links_in_a_circle_end() -> None:
    with pytest.raises(SourceError, match="leads through too many links"):
        opened(tar(("a", "b"), ("b", "a"))).read("a", 10)


def test_18_names_that_lead_out_are_not_there() -> None:
    files = opened(tar(("../a", b"x"), ("/b", b"x"), ("c/../../d", b"x"), ("", b"x")))
    assert all(files.lacks(name) for name in ("a", "../a", "b", "/b", "d", "", "."))


def test_24_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_files, "MAX_HEADERS", 3)
    assert opened(tar(*[(str(n), b"") for n in range(3)])).size("2") == 0
    with pytest.raises(SourceError, match="has more than 3 members"):
        opened(tar(*[(str(n), b"") for n in range(4)]))


def test_a_damaged_header_is_named_with_its_place() -> None:
    content = bytearray(tar(("a", b"x"), ("b", b"x")))
    content[1024] ^= 1
    with pytest.raises(SourceError, match="is not a tar archive, or is damaged at byte 1024"):
        opened(bytes(content))


@given(st.data())
def test_any_bytes_give_an_archive_or_an_error(data: st.DataObject) -> None:
    content = bytearray(tar(("a", b"one"), ("b", "a"), (LONG, b"three")))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    try:
        files = opened(bytes(content))
        assert files.size("a") is None or len(files.read("a", 100)) <= 100
    except AirpatchError:
        return


def test_headers_are_told_by_their_checksum() -> None:
    assert is_header(tar(("a", b""))[:512])
    assert not is_header(bytes(512))
    assert not is_header(b"")


def test_24_what_is_not_asked_for_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many extended headers come before a member, and whatever they say."""
    info = tarfile.TarInfo("a")
    info.pax_headers = {f"SCHILY.xattr.{number}": "x" for number in range(100)}
    header = info.tobuf(tarfile.PAX_FORMAT)
    seen = 0
    member = TarFiles._member

    def counting(self: TarFiles, name: str, kind: bytes, start: int, size: int, *more: Any) -> Any:
        nonlocal seen
        seen += len(more[1])
        return member(self, name, kind, start, size, *more)

    monkeypatch.setattr(TarFiles, "_member", counting)
    assert not opened(header[:-512] * 20 + header).lacks("a")
    assert seen == 0


def test_24_long_names_of_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_files, "MAX_NAMES", 1000)
    with pytest.raises(SourceError, match="has names of more than 1000 characters"):
        opened(tar(*((f"{LONG}{number}", b"") for number in range(4))))


def test_folders_are_what_files_lie_in() -> None:
    files = opened(tar(*((name, b"") for name in ("a/b", "a/c/d", "a/e/f/g", "ab/x", "a!"))))
    assert [files.is_folder(name) for name in ("a", "a/c", "a/e/f", "ab", "a/b", "b", "a!")] == [True] * 4 + [False] * 3
    assert [entry.name for entry in files.scan("a")] == ["b"]
    assert [entry.name for entry in files.scan("a/e/f")] == ["g"]
