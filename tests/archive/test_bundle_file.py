"""A bundle in a file: its index, its manifests, and any part of any blob, in whatever order they are read."""

from __future__ import annotations

import gc
import os
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch.archive.bundle_file import BundleFile
from airpatch.archive.frame_reader import FileFrameReader
from airpatch.blobs.content import check_blob
from airpatch.errors import FormatError, IntegrityError, SourceError, UsageError
from airpatch.format import layout, zstd
from airpatch.model.digest import Digest
from tests.support import OCI_GZIP_LAYER, OCI_LAYER, Builder, join_frames, sample, split_frames

BLOCK = zstd.BLOCK


@pytest.fixture(scope="module")
def builder() -> Builder:
    """Layers over many frames, raw and compressed, and small ones that share frames."""
    builder = sample()
    noise = random.Random(1).randbytes(2 * layout.FRAME + 12345)
    text = b"".join(b"line %d\n" % number for number in range(1_500_000))[: layout.FRAME + 777]
    builder.tag("big/raw:r1", builder.picture([noise, noise[:100_000]], layer_type=OCI_GZIP_LAYER))
    builder.tag("big/text:r1", builder.picture([text, text[:70_000], noise[5:90_000]], layer_type=OCI_LAYER))
    for number in range(200):
        builder.tag(f"small/{number}:r1", builder.picture([noise[number : number + 9000]]))
    return builder


@pytest.fixture(scope="module")
def bundle(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> BundleFile:
    path = tmp_path_factory.mktemp("bundle") / "full"
    path.write_bytes(builder.bundle())
    return BundleFile(str(path))


def test_everything_is_there(builder: Builder, bundle: BundleFile) -> None:
    assert bundle.index.release == builder.release
    assert bundle.manifests() == builder.manifests
    for digest, content in builder.blobs.items():
        assert bundle.size(digest) == len(content)
        check_blob(bundle, digest, len(content))


def test_what_is_not_there(bundle: BundleFile) -> None:
    absent = Digest.of(b"absent")
    assert bundle.size(absent) is None
    with pytest.raises(SourceError, match="is not in"):
        bundle.open(absent, 3)
    with pytest.raises(SourceError, match="bytes in"):
        bundle.open(bundle.index.release.blobs[0].digest, 3)


@given(st.data())
def test_any_part_of_any_blob_can_be_read(builder: Builder, bundle: BundleFile, data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(sorted(builder.blobs.values(), key=len)[-8:]))
    edges = [edge for edge in (0, BLOCK - 512, BLOCK, layout.FRAME - 512, layout.FRAME) if edge < len(content)]
    near = st.sampled_from(edges).flatmap(lambda edge: st.integers(max(0, edge - 3), min(len(content), edge + 3)))
    with closing(bundle.open(Digest.of(content), len(content))) as reader:
        for _ in range(3):
            start = data.draw(st.one_of(near, st.integers(0, len(content))))
            size = data.draw(st.integers(0, min(len(content) - start, 3 * BLOCK)))
            buffer = bytearray(size)
            reader.read_into(memoryview(buffer), start)
            assert buffer == content[start : start + size]


def test_many_threads(builder: Builder, bundle: BundleFile) -> None:
    blobs = list(builder.blobs.items()) * 2
    random.Random(2).shuffle(blobs)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda item: check_blob(bundle, item[0], len(item[1])), blobs))) == len(blobs)


def test_opening_reads_no_content(builder: Builder, bundle: BundleFile, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = FileFrameReader.read_at

    def note(reader: FileFrameReader, position: int, size: int) -> memoryview:
        read.append(size)
        return real(reader, position, size)

    monkeypatch.setattr(FileFrameReader, "read_at", note)
    BundleFile(bundle.name)
    assert sum(read) < 64 << 10


@pytest.mark.parametrize("layer_type", [OCI_LAYER, OCI_GZIP_LAYER])
def test_27_wrong_content_does_not_pass(layer_type: str, tmp_path: Path) -> None:
    builder = Builder()
    noise = random.Random(3).randbytes(300_000)
    builder.tag("web:r1", builder.picture([noise], layer_type=layer_type))
    content = bytearray(builder.bundle())
    content[len(content) // 2] ^= 1
    (tmp_path / "bundle").write_bytes(content)
    with pytest.raises((FormatError, IntegrityError)):
        check_blob(BundleFile(str(tmp_path / "bundle")), Digest.of(noise), len(noise))


def test_33_a_seek_table_with_other_frames_than_the_layout(tmp_path: Path) -> None:
    frames = split_frames(sample().bundle())
    for bad in ([*frames[:1], zstd.compress(b"more"), *frames[1:]], frames[:1]):
        (tmp_path / "bundle").write_bytes(join_frames(bad))
        with pytest.raises(FormatError, match="does not match its index"):
            BundleFile(str(tmp_path / "bundle")).manifests()


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_headers_of_raw_frames(size: int) -> None:
    content = random.Random(4).randbytes(size)
    frame = b"".join(zstd.raw_frame(memoryview(content)))
    assert zstd.raw_size(size) == len(frame)
    assert all(frame[offset : offset + len(header)] == header for offset, header in zstd.raw_headers(size))
    assert all(frame[zstd.raw_offset(position)] == content[position] for position in {0, size // 2, size - 1})


def test_no_pipes_and_no_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="a pipe or a device"):  # nobody writes to it, and nobody waits
        BundleFile(str(tmp_path / "fifo"))
    writer = os.open(tmp_path / "fifo", os.O_RDWR)
    try:
        with pytest.raises(UsageError, match="a pipe or a device"):
            BundleFile(str(tmp_path / "fifo"))
    finally:
        os.close(writer)
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError):
            BundleFile(str(path))


def test_the_file_is_closed_with_its_last_user(bundle: BundleFile) -> None:
    gc.collect()  # of other tests, whose files would be closed meanwhile
    before = len(os.listdir("/proc/self/fd"))
    BundleFile(bundle.name)
    held = BundleFile(bundle.name)
    held.close()
    held.close()
    assert len(os.listdir("/proc/self/fd")) == before
