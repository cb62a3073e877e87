"""Frames out of files and pipes: what is read, what is refused, what is passed over."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airpatch.archive.frame_reader import FileFrameReader, InterruptiblePipe, PipeFrameReader
from airpatch.archive.open_bundles import open_frames
from airpatch.blobs.byte_source import FileBytes
from airpatch.errors import FormatError, TargetError
from airpatch.format import zstd
from airpatch.format.zstd import Frame
from airpatch.model.digest import Digest
from tests.support import Builder, frame_reader, join_frames, pipe_reader, read_bundle, split_frames

Table = Callable[[list[Frame]], list[Frame]]


@pytest.fixture(name="path")
def bundle_file(tmp_path: Path, sample: Builder) -> Path:
    path = tmp_path / "full.tar.zst"
    path.write_bytes(sample.bundle())
    return path


def test_a_file_is_read_by_its_table(path: Path) -> None:
    source = open_frames(str(path))
    assert isinstance(source, FileFrameReader)
    for entry in source.table[:2]:
        source.skip(entry.content)
    assert zstd.trailer(source.next(source.table[2].content)) == source.table[2].checksum
    with pytest.raises(FormatError, match="1 frame after the end"):
        source.finish()
    source.close()


def test_opening_a_large_bundle_reads_little(tmp_path: Path) -> None:
    """Ten gigabytes with holes, and a seek table that fits to them."""
    path = tmp_path / "large.tar.zst"
    frames = [Frame(8 << 20, 8 << 20, 7)] * 1250
    with path.open("wb") as file:
        file.truncate(sum(frame.compressed for frame in frames))
        file.seek(0, os.SEEK_END)
        file.write(zstd.emit_seek_table(frames))
    before = _bytes_read()
    source = FileFrameReader(FileBytes("large", os.open(path, os.O_RDONLY)))
    assert source.table == frames
    assert _bytes_read() - before < 100_000
    source.close()


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


def with_table(data: bytes, change: Table) -> bytes:
    table = zstd.parse_seek_table(data[-zstd.seek_table_length(data[-9:]) :])
    return data[: -len(zstd.emit_seek_table(table))] + zstd.emit_seek_table(change(table))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: [replace(t[0], compressed=t[0].compressed + 1), *t[1:]], id="beyond the end"),
        pytest.param(lambda t: t[:-1], id="a frame less"),
        pytest.param(lambda t: [*t, Frame(0, 0, 0)], id="an empty frame more"),
        pytest.param(lambda t: [t[1], t[0], *t[2:]], id="order"),
        pytest.param(
            lambda t: [
                replace(t[0], compressed=t[0].compressed + 1),
                replace(t[1], compressed=t[1].compressed - 1),
                *t[2:],
            ],
            id="overlap",
        ),
        pytest.param(lambda t: [replace(t[0], content=t[0].content + 512), *t[1:]], id="content"),
        pytest.param(lambda t: [t[0], replace(t[1], content=2**32 - 1), *t[2:]], id="content of 4 GiB"),
        pytest.param(lambda t: [t[0], replace(t[1], compressed=2**32 - 1), *t[2:]], id="4 GiB"),
        pytest.param(lambda t: [replace(t[0], checksum=t[0].checksum ^ 1), *t[1:]], id="checksum"),
        pytest.param(lambda t: [], id="empty"),
    ],
)
def test_adversary_39_tables_that_lie(change: Table, sample: Builder) -> None:
    data = with_table(sample.bundle(), change)
    for kind in ("file", "pipe"):
        with pytest.raises(FormatError):
            read_bundle(frame_reader(kind, data))


def test_adversary_39_a_frame_of_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    frames = [Frame(2**32 - 1, 2**32 - 1, 0)]
    with path.open("wb") as file:
        file.truncate(2**32 - 1)
        file.seek(0, os.SEEK_END)
        file.write(zstd.emit_seek_table(frames))
    with pytest.raises(FormatError, match="larger than any"):
        open_frames(str(path))


def test_adversary_40_two_seek_tables(sample: Builder) -> None:
    frames = split_frames(sample.bundle())
    data = join_frames(frames)
    twice = data + data[sum(map(len, frames)) :]
    for kind in ("file", "pipe"):
        with pytest.raises(FormatError):
            read_bundle(frame_reader(kind, twice))


def test_adversary_40_a_seek_table_inside_blob_data() -> None:
    builder = Builder()
    builder.tag("a:r1", builder.picture([zstd.emit_seek_table([Frame(1, 2, 3)]) * 3]))
    for kind in ("file", "pipe"):
        assert read_bundle(frame_reader(kind, builder.bundle()))


def test_adversary_44_skippable_frames(sample: Builder) -> None:
    frames = split_frames(sample.bundle())
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"skip"
    for position in range(len(frames) + 1):
        data = b"".join([*frames[:position], skippable, *frames[position:]])
        data += join_frames(frames)[sum(map(len, frames)) :]
        for kind in ("file", "pipe"):
            with pytest.raises(FormatError):
                read_bundle(frame_reader(kind, data))


def test_adversary_57_a_bundle_that_shrinks(path: Path) -> None:
    source = open_frames(str(path))
    assert isinstance(source, FileFrameReader)
    os.truncate(path, 10)
    with pytest.raises(FormatError, match="shrank while"):
        source.next(None)
    source.close()


def test_adversary_57_an_input_that_fails() -> None:
    """Reading /proc/self/mem at address 0 gives EIO."""
    source = pipe_reader("mem", os.open("/proc/self/mem", os.O_RDONLY))
    with pytest.raises(TargetError, match="mem: cannot be read: Input/output error"):
        source.next(None)
    source.close()


def test_a_pipe_that_does_not_block_is_read_all_the_same(sample: Builder) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    source = pipe_reader("pipe", read)
    os.write(write, sample.bundle())
    os.close(write)
    assert read_bundle(source)


def test_what_is_passed_over_is_hashed_with_the_rest(path: Path) -> None:
    with closing(FileFrameReader(FileBytes("bundle", os.open(path, os.O_RDONLY)), hashed=True)) as source:
        for frame in list(source.table):
            source.skip(frame.content)
        source.finish()
        assert source.sha256 == Digest.of(path.read_bytes())


def test_a_pipe_is_hashed_to_its_end(sample: Builder) -> None:
    data = sample.bundle()
    read = os.memfd_create("bundle")
    os.pwrite(read, data, 0)
    with closing(PipeFrameReader("pipe", InterruptiblePipe.opened(read), hashed=True)) as source:
        for _ in split_frames(data):
            source.next(None)
        source.finish()
        assert source.sha256 == Digest.of(data)


def test_reads_of_a_pipe_wait() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with closing(InterruptiblePipe.opened(read)), os.fdopen(write, "wb"):
        assert os.get_blocking(read)


def test_a_frame_of_a_file_is_looked_at_if_it_is_small_enough(path: Path) -> None:
    with closing(open_frames(str(path))) as source:
        assert isinstance(source, FileFrameReader)
        size = source.table[0].content
        assert source.peek(size - 1) is None
        assert source.peek(size) == source.next(None)


def test_a_file_may_have_no_frames_at_all() -> None:
    with closing(frame_reader("file", zstd.emit_seek_table([]))) as source:
        assert source.finish() == []


def test_a_frame_of_a_pipe_is_looked_at_as_often_as_one_likes(sample: Builder) -> None:
    with closing(frame_reader("pipe", sample.bundle())) as source:
        assert source.peek(1 << 20) == source.peek(1 << 20) == source.next(None)
        assert source.peek(0) is None


def test_a_sender_may_be_silent_for_as_long_as_it_likes(sample: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    poll = select.poll
    calls: list[int] = []

    class SilentAtFirst:
        """Finds nothing at the first look; then everything has come."""

        def __init__(self) -> None:
            self._poll = poll()

        def register(self, *words: Any) -> None:
            self._poll.register(*words)

        def poll(self, milliseconds: int) -> list[tuple[int, int]]:
            calls.append(milliseconds)
            if len(calls) > 1:
                return self._poll.poll(milliseconds)
            os.write(write, sample.bundle())
            os.close(write)
            return []

    monkeypatch.setattr(select, "poll", SilentAtFirst)
    assert read_bundle(pipe_reader("pipe", read))
    assert len(calls) > 1
