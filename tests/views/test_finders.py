"""Containers of every kind: their streams are found, expanded where they changed, and folded again."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.views.finders import containers
from tests.delta.support import noise, tar
from tests.views.support import ar, archive, elf, gz, source_view, text, undo, views

Content = list[bytes]


def pdf(contents: Content) -> bytes:
    out = b"%PDF-1.7\n"
    for number, content in enumerate(contents):
        packed = zlib.compress(content)
        out += b"%d 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n" % (number + 1, len(packed))
        out += packed + b"\nendstream\nendobj\n"
    return out + b"trailer\n<< /Size 9 >>\n%%EOF\n"


def woff(contents: Content) -> bytes:
    at = 44 + 20 * len(contents)
    rows, body = b"", b""
    for number, content in enumerate(contents):
        packed = zlib.compress(content)
        rows += struct.pack(">4sIIII", b"tab%d" % number, at + len(body), len(packed), len(content), 0)
        body += packed + bytes(-len(packed) % 4)
    return b"wOFF\0\1\0\0" + struct.pack(">IHH", 0, len(contents), 0) + bytes(28) + rows + body


def jimage(contents: Content) -> bytes:
    out = b"\xda\xda\xfe\xca" + bytes(60)
    for content in contents:
        packed = zlib.compress(content)
        out += struct.pack("<IQQIIB", 0xCAFEFAFA, len(packed), len(content), 0, 0, 1) + packed
    return out


def png(contents: Content, size: int = 8192) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    packed = zlib.compress(b"".join(contents))
    data = b"".join(chunk(b"IDAT", packed[at : at + size]) for at in range(0, len(packed), size))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + data + chunk(b"IEND", b"")


def pack(contents: Content) -> bytes:
    out = b"PACK\0\0\0\2" + len(contents).to_bytes(4, "big")
    for content in contents:
        size = len(content)
        head = [0x30 | size & 15]
        size >>= 4
        while size:
            head[-1] |= 0x80
            head.append(size & 0x7F)
            size >>= 7
        out += bytes(head) + zlib.compress(content)
    return out + bytes(20)


def pages(contents: Content) -> bytes:
    """A file of no known kind, which packs its content in two ways."""
    packed = (zlib.compress(each, 9) if number else gz(each) for number, each in enumerate(contents))
    return b"\0PAGES" + b"".join(b"\0\1%d\2" % len(each) + each for each in packed) + b"\0end"


KINDS: dict[str, Callable[[Content], bytes]] = {
    "zip": lambda contents: archive({str(i): each for i, each in enumerate(contents)}),
    "gzip": lambda contents: b"".join(map(gz, contents)),
    "tar": lambda contents: tar({str(i): gz(each) for i, each in enumerate(contents)}),
    "elf": lambda contents: elf({f".debug_{i}": each for i, each in enumerate(contents)}),
    "zdebug": lambda contents: elf({f".zdebug_{i}": each for i, each in enumerate(contents)}, True),
    "pdf": pdf,
    "woff": woff,
    "jimage": jimage,
    "png": png,
    "png of small chunks": lambda contents: png(contents, 100),
    "git pack": pack,
    "ar": lambda contents: ar({f"{i}.gz/": gz(each) for i, each in enumerate(contents)}),
    "pages": pages,
}
OLD = [text(5000, seed) for seed in range(3)]
NEW = [OLD[0], OLD[1][:2000] + b"changed" + OLD[1][2000:], OLD[2]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_that_changed_is_expanded(kind: str) -> None:
    old, new = (tar({"file": KINDS[kind](contents)}) for contents in (OLD, NEW))
    found = views(new, old)
    assert sum(bool(coding.encoder) for coding in found.target.codings) == 1
    view, beside = undo(new, found), source_view(found, old)
    assert NEW[1] in view
    assert OLD[1] in beside
    if not kind.startswith("png"):  # which have one stream for all
        assert NEW[0] not in view
        assert len(beside) < 8000


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "woff"])  # in which what does not shrink is stored
@pytest.mark.parametrize("inner", KINDS)
def test_each_in_each(kind: str, inner: str) -> None:
    old, new = (KINDS[kind]([KINDS[inner](contents)]) for contents in (OLD, NEW))
    found = views(tar({"file": new}), tar({"file": old}))
    undo(tar({"file": new}), found)
    assert sum(bool(coding.encoder) for coding in found.target.codings) >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_cut_anywhere_nothing_is_claimed_that_is_not_there(kind: str) -> None:
    whole = KINDS[kind](NEW)
    for size in range(0, len(whole), max(len(whole) // 60, 1)):
        for hint in containers.find(memoryview(whole[:size]), b"file"):
            assert 0 <= hint.start <= hint.body <= size
            assert hint.size is None or hint.start + hint.size <= size


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_hostile_containers_are_no_harm(kind: str, data: st.DataObject) -> None:
    whole = bytearray(KINDS[kind]([text(300, 1), text(200, 2)]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for hint in containers.find(memoryview(whole), b"file"):
        assert hint.size is None or hint.start + hint.size <= len(whole)


def test_a_pack_of_git(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "core.compression=6"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    packs = []
    for number in range(2):
        (tmp_path / "file").write_bytes(text(9000, 1) + b"%d" % number)
        (tmp_path / f"other{number}").write_bytes(noise(3000, number))
        git("add", ".")
        git("commit", "-q", "-m", f"number {number}")
        git("repack", "-q", "-a", "-d")
        (found,) = (tmp_path / ".git/objects/pack").glob("*.pack")
        packs.append(found.read_bytes())
    assert len(containers.find(memoryview(packs[1]), b"pack")) == int.from_bytes(packs[1][8:12], "big")
    undo(packs[1], views(packs[1], packs[0]))
