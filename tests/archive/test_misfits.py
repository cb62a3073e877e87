"""Whoever gives airpatch something else than a bundle learns what it is."""

from __future__ import annotations

import gzip
import io
import os
import tarfile

import pytest

from airpatch.archive.frame_reader import FileFrameReader
from airpatch.archive.misfits import CUT_SHORT, describe
from airpatch.archive.opening import read_opening
from airpatch.blobs.byte_source import FileBytes
from airpatch.errors import FormatError
from airpatch.format import inventories, zstd
from airpatch.format.inventories import Inventory
from airpatch.model.digest import Digest
from tests.support import pipe_reader, sample


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.json"))
    return file.getvalue()


INVENTORY = inventories.emit(Inventory("r1", ("shop/web",), {Digest.of(b"x"): 1}))
MISFITS = {
    "empty": (b"", "an empty file; copy it again"),
    "zeros": (bytes(5000), "a file of zeros; copy it again"),
    "web page": (b"\n<!DOCTYPE html><html>Access denied", "a web page: "),
    "web page with a mark": (b"\xef\xbb\xbf<HTML>", "a web page: "),
    "tar": (tar(), "a tar archive; where images are in it, pack them first with 'airpatch create FILE -o BUNDLE'"),
    "tar.gz": (gzip.compress(tar(), mtime=0), "a gzip file; where images are in it, pack them first"),
    "tar.zst": (zstd.compress(tar()), "a tar archive; where images are in it"),
    "tar.xz": (b"\xfd7zXZ\0" + bytes(10), "an xz file; decompress it first with 'xz -d FILE'"),
    "JSON": (b' {"schemaVersion": 2}', "a JSON document"),
    "inventory": (INVENTORY, "an inventory or a request for blobs, which 'inspect' and 'diff --base' take"),
    "program": (b"\x7fELF\2\1\1", "a program"),
    "text": (b"shop/web:r1\n", "a file of an unknown kind"),
}


@pytest.mark.parametrize(("content", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_a_file_that_is_no_bundle_is_called_what_it_is(content: bytes, message: str) -> None:
    fd = os.memfd_create("x")
    os.write(fd, content)
    with pytest.raises(FormatError) as caught:
        FileFrameReader(FileBytes("x", fd))
    assert caught.value.message.startswith(f"x: not a bundle but {message}")


@pytest.mark.parametrize("name", [name for name in MISFITS if name not in ("tar.zst", "inventory")])
def test_what_comes_through_a_pipe_and_is_no_bundle_is_called_what_it_is(name: str) -> None:
    content, message = MISFITS[name]
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    feed = pipe_reader("x", read)
    with pytest.raises(FormatError) as caught:
        read_opening(feed)
    feed.close()
    if name == "empty":
        assert caught.value.message == "x: has no content: whatever should write a bundle there has failed"
    else:
        assert caught.value.message.startswith(f"x: not a bundle but {message}")


@pytest.mark.parametrize("size", [1000, -1])
def test_a_bundle_cut_short_is_called_that(size: int) -> None:
    fd = os.memfd_create("x")
    os.write(fd, sample().bundle()[:size])
    with pytest.raises(FormatError) as caught:
        FileFrameReader(FileBytes("x", fd))
    assert caught.value.message == f"x: {CUT_SHORT}"


def test_what_cannot_be_decompressed_at_all_is_still_a_zstd_file() -> None:
    assert describe(zstd.MAGIC.to_bytes(4, "little") + b"\xff" * 20).startswith("not a bundle but a zstd file")
