"""Tar headers: byte by byte as the specification has them, and as tar programs read them."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.errors import FormatError
from airpatch.format import tar

BLOB = "docker/registry/v2/blobs/sha256/ab/" + "ab" * 32 + "/data"
LONG = "docker/registry/v2/repositories/" + "x" * 255 + "/_manifests/tags/" + "y" * 128 + "/current/link"
PATHS = st.from_regex(r"[a-z0-9._:@=]{1,60}(/[a-z0-9._:@=]{1,80}){0,6}", fullmatch=True)
SIZES = st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 511, 512, 513, 2**31, 2**32, 8**11 - 1, 8**11])


def ustar(path: str, size: int) -> bytes:
    """A ustar header written from the specification's table."""
    prefix, name = b"", path.encode()
    if len(name) > 100:
        cut = name.index(b"/", len(name) - 101)
        prefix, name = name[:cut], name[cut + 1 :]
    return _record(name, b"%011o\0" % size, b"0", b"ustar\x0000", prefix)


def test_a_folder_is_one_for_tar_programs() -> None:
    archive = io.BytesIO(tar.folder_header("blobs/sha256") + tar.END)
    with tarfile.open(fileobj=archive) as opened:
        (member,) = opened.getmembers()
    assert (member.name, member.isdir(), member.mode, member.size) == ("blobs/sha256", True, 0o755, 0)


def gnu(path: str, size: int) -> bytes:
    name = path.encode()
    digits = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    long = b""
    if len(name) > 100:
        length = len(name) + 1
        long = _record(b"././@LongLink", b"%011o\0" % length, b"L", b"ustar  \0", b"", mode=0, mtime=0)
        long += name + bytes(1 + -length % 512)
    return long + _record(name[:100], digits, b"0", b"ustar  \0", b"")


def _record(
    name: bytes, size: bytes, kind: bytes, magic: bytes, prefix: bytes, *, mode: int = 0o644, mtime: int = 315532800
) -> bytes:
    fields = [
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"0000000\0" * 2,  # uid, gid
        size,
        b"%011o\0" % mtime,
        b" " * 8,
        kind,
        bytes(100),  # link name
        magic,
        bytes(32 + 32 + 8 + 8),  # user, group, device numbers
        prefix.ljust(155, b"\0"),
        bytes(12),
    ]
    record = bytearray(b"".join(fields))
    record[148:156] = b"%06o\0 " % sum(record)
    return bytes(record)


@pytest.mark.parametrize(
    ("path", "size", "expected"),
    [
        (".airpatch/index", 700, ustar),
        ("x" * 100, 0, ustar),
        (BLOB, 8**11 - 1, ustar),
        ("p" * 155 + "/" + "n" * 100, 1, ustar),
        (BLOB, 8**11, gnu),
        ("x" * 101, 1, gnu),
        ("p" * 156 + "/" + "n" * 100, 1, gnu),
        (LONG, 71, gnu),
    ],
    ids=["index", "100 bytes", "blob", "split", "8 GiB", "101 bytes", "no split", "long"],
)
def test_headers_byte_by_byte(path: str, size: int, expected: object) -> None:
    assert callable(expected)
    assert tar.header(path, size) == expected(path, size)


@given(PATHS, SIZES)
def test_tar_programs_read_what_was_meant(path: str, size: int) -> None:
    header = tar.header(path, size)
    assert len(header) % tar.RECORD == 0
    assert tar.member_size(path, size) == len(header) + size + len(tar.padding(size))
    assert tar.member_size(path, size) % tar.RECORD == 0
    with tarfile.open(fileobj=io.BytesIO(header)) as archive:
        member = archive.next()
    assert member is not None
    assert (member.name, member.size, member.mtime) == (path, size, tar.MTIME)
    assert (member.mode, member.uid, member.gid, member.type) == (0o644, 0, 0, tarfile.REGTYPE)


@given(st.integers(0, 2000))
def test_padding_fills_records(size: int) -> None:
    padding = tar.padding(size)
    assert len(padding) < tar.RECORD
    assert (size + len(padding)) % tar.RECORD == 0
    assert not any(padding)


@given(st.integers(0, 16 << 20))
def test_parse_size_is_inverse(size: int) -> None:
    assert tar.parse_size(tar.header("x", size), "x", 16 << 20) == size


def test_every_bit_of_a_header_flipped() -> None:
    """Adversary 33: only the size may differ, and then the checksum does not fit."""
    record = tar.header("x", 700)
    for bit in range(8 * len(record)):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            tar.parse_size(bytes(flipped), "x", 1 << 20)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"x" * 100,
        bytes(512),
        b"x" * 512,
        tar.header("y", 700),
        tar.header("x", (1 << 20) + 1),
        gnu("x", 700),
        gnu("x", 2**70),
    ],
    ids=["empty", "short", "zeros", "garbage", "other path", "over the limit", "GNU form", "huge"],
)
def test_adversary_24_other_records_are_refused(record: bytes) -> None:
    with pytest.raises(FormatError):
        tar.parse_size(record, "x", 1 << 20)
