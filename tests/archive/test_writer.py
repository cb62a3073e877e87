"""The writer: same input, same bytes; and what it says and leaves when content is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airpatch import limits
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.blobs.content import BytesBlob, Content
from airpatch.errors import AirpatchError, SourceError, TargetError
from airpatch.execution import Cancellation
from airpatch.format import layout, zstd
from airpatch.format.index import Base, Disposition, Index
from airpatch.model.digest import Digest
from airpatch.progress import ProgressPart
from tests.support import (
    OCI_GZIP_LAYER,
    OCI_LAYER,
    Builder,
    MemoryContent,
    MemorySink,
    Recorder,
    execution,
    frame_reader,
    read_bundle,
)

FRAME, SMALL, GROUP = 4096, 1024, 2048


@pytest.fixture(name="small_frames")
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits at which a few KiB fill frames; they are what they are in proportion."""
    for name, value in (("FRAME", FRAME), ("SMALL", SMALL), ("GROUP", GROUP)):
        monkeypatch.setattr(layout, name, value)


def blob_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def with_layers(sizes: Sequence[int], layer_type: str = OCI_GZIP_LAYER) -> Builder:
    builder = Builder()
    builder.tag("shop/web:r1", builder.picture(map(blob_of, sizes), layer_type=layer_type))
    return builder


def is_read_back(builder: Builder, data: bytes) -> None:
    for kind in ("file", "pipe"):
        contents = read_bundle(frame_reader(kind, data))
        assert contents.index == Index.full(builder.release)
        assert contents.manifests == builder.manifests
        assert {Digest.of(content) for content in contents.members.values()} == {*builder.blobs, *builder.manifests}


@pytest.mark.parametrize("layer_type", [OCI_LAYER, OCI_GZIP_LAYER])
@pytest.mark.usefixtures("small_frames")
def test_sizes_at_the_limits_of_frames(layer_type: str) -> None:
    records = 512 + 512 - 1
    near = [size + delta for size in (SMALL, GROUP, FRAME, 2 * FRAME) for delta in (-1024, -513, -512, -1, 0, 1, 512)]
    builder = with_layers([0, 1, 511, 512, 513, records, *near, 5 * FRAME + 7], layer_type)
    is_read_back(builder, builder.bundle())


def test_sizes_at_the_limit_of_a_real_frame() -> None:
    builder = with_layers([size for frame in (layout.FRAME,) for size in (frame - 512, frame, frame + 1)])
    is_read_back(builder, builder.bundle())


@pytest.mark.usefixtures("small_frames")
def test_the_number_of_jobs_does_not_matter() -> None:
    builder = with_layers(range(0, 6 * FRAME, 700))
    first = builder.bundle(jobs=1)
    assert builder.bundle(jobs=2) == first
    assert builder.bundle(jobs=8) == first


def test_the_order_of_images_does_not_matter(sample: Builder) -> None:
    first = sample.bundle()
    sample.images.reverse()
    sample.manifests = dict(reversed(sample.manifests.items()))
    assert sample.bundle() == first


def test_each_blob_is_read_once(sample: Builder) -> None:
    content = sample.content
    write_bundle(PreparedBundle(Index.full(sample.release), sample.manifests, content), MemorySink(), execution(2))
    assert len(content.opened) == len(set(content.opened)) == len(sample.blobs)


def test_the_seek_table_is_returned_and_progress_adds_up(sample: Builder) -> None:
    sink = MemorySink()
    progress = Recorder()
    bundle = PreparedBundle(Index.full(sample.release), sample.manifests, sample.content)
    frames = write_bundle(bundle, sink, execution(2, progress))
    assert sink.data.endswith(zstd.emit_seek_table(frames))
    assert progress.labels == ["packing r1"]
    assert progress.adds_up
    assert any(item.startswith("shop/web:r1 ") for item in progress.parts[0].items)


def test_incompressible_blobs_cost_nothing_but_blocks() -> None:
    size = 2 * layout.FRAME
    data = with_layers([size]).bundle()
    assert size < len(data) < size + size // 10_000 + 4096


def test_a_patch_holds_what_is_stored_and_no_links(sample: Builder) -> None:
    release = sample.release
    dispositions = tuple(Disposition(i % 2) for i in range(len(release.blobs)))
    index = Index(release, dispositions, (Base(Digest.of(b"base"), "r0"),))
    contents = read_bundle(frame_reader("file", sample.bundle(index)))
    signatures = {path for path in contents.members if path.startswith(".airpatch/")}
    assert len(contents.members) - len(signatures) == len(index.stored)
    assert contents.index == index


def test_an_empty_patch_is_small(sample: Builder) -> None:
    release = sample.release
    index = Index(release, (Disposition.LEFT_OUT,) * len(release.blobs), (Base(Digest.of(b"base"), "r0"),))
    assert len(sample.bundle(index)) < 2500
    assert read_bundle(frame_reader("pipe", sample.bundle(index))).index == index


class Changed(MemoryContent):
    """Content in which one byte of a blob is another one."""

    def __init__(self, builder: Builder, digest: Digest, position: int) -> None:
        super().__init__(builder.blobs)
        content = bytearray(self.blobs[digest])
        content[position] ^= 1
        self.blobs[digest] = bytes(content)


def fails(builder: Builder, content: MemoryContent) -> tuple[SourceError, bytes]:
    sink = MemorySink()
    with pytest.raises(SourceError) as caught:
        write_bundle(PreparedBundle(Index.full(builder.release), builder.manifests, content), sink, execution(2))
    return caught.value, bytes(sink.data)


@pytest.mark.parametrize("position", [0, 5 * FRAME, -1], ids=["first", "middle", "last"])
@pytest.mark.usefixtures("small_frames")
def test_adversary_27_a_wrong_byte(position: int) -> None:
    builder = with_layers([10 * FRAME, 100])
    error, written = fails(builder, Changed(builder, Digest.of(blob_of(10 * FRAME)), position))
    (finding,) = error.findings
    assert finding.startswith("shop/web:r1: ")
    assert str(Digest.of(blob_of(10 * FRAME))) in finding
    assert not written.endswith(b"\xb1\xea\x92\x8f"), "it looks whole"


@pytest.mark.usefixtures("small_frames")
def test_all_findings_are_reported_at_once() -> None:
    builder = with_layers([100, 200, 3 * FRAME])
    content = Changed(builder, Digest.of(blob_of(100)), 50)
    del content.blobs[Digest.of(blob_of(200))]
    content.blobs[Digest.of(blob_of(3 * FRAME))] += b"x"
    error, _ = fails(builder, content)
    assert len(error.findings) == 3
    for size in (100, 200, 3 * FRAME):
        assert sum(str(Digest.of(blob_of(size))) in finding for finding in error.findings) == 1


def test_a_missing_signature_is_named_as_such(sample: Builder) -> None:
    content = sample.content
    del content.blobs[Digest.of(b"signature of a child")]
    error, _ = fails(sample, content)
    assert error.findings[0].startswith("signature: ")


class BreakingBlob(BytesBlob):
    def read_into(self, view: memoryview, offset: int) -> None:
        if offset:
            raise SourceError("it shrank while it was being read")
        super().read_into(view, offset)


class Breaking(MemoryContent):
    def open(self, digest: Digest, size: int) -> BytesBlob:
        return BreakingBlob(self.blobs[digest])


@pytest.mark.usefixtures("small_frames")
def test_a_blob_that_changes_its_size_while_it_is_read() -> None:
    builder = with_layers([3 * FRAME])
    error, _ = fails(builder, Breaking(builder.blobs))
    assert "shrank while" in error.findings[0]


class FullSink(MemorySink):
    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, pieces: Sequence[zstd.Buffer]) -> None:
        super().write(pieces)
        if len(self.data) > self.room:
            raise TargetError("no space")


@pytest.mark.usefixtures("small_frames")
def test_adversary_48_a_sink_that_fails_at_any_point() -> None:
    builder = with_layers([3 * FRAME, 100])
    index = Index.full(builder.release)
    for room in range(0, len(builder.bundle()), 997):
        with pytest.raises(TargetError, match="no space"):
            write_bundle(PreparedBundle(index, builder.manifests, builder.content), FullSink(room), execution(2))


@pytest.mark.usefixtures("small_frames")
def test_memory_is_bounded_by_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more content is read ahead than the window holds, whatever the size of a blob."""
    monkeypatch.setattr("airpatch.archive.writer.WINDOW", 4 * FRAME)
    builder = with_layers([50 * FRAME])
    ahead: list[int] = []
    sink = MemorySink()

    class Watching(BytesBlob):
        def read_into(self, view: memoryview, offset: int) -> None:
            ahead.append(offset + len(view) - len(sink.data))
            super().read_into(view, offset)

    class Content(MemoryContent):
        def open(self, digest: Digest, size: int) -> BytesBlob:
            return Watching(self.blobs[digest])

    write_bundle(
        PreparedBundle(Index.full(builder.release), builder.manifests, Content(builder.blobs)), sink, execution(2)
    )
    assert len(ahead) > 50
    assert max(ahead) <= 4 * FRAME


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 4))
def test_whatever_the_layers_they_come_back(layers: list[bytes], images: int) -> None:
    builder = Builder()
    for number in range(images):
        builder.tag(f"shop/x{number}:r1", builder.picture(layers[number:]))
    is_read_back(builder, builder.bundle())


def test_an_index_over_its_limit_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, sample: Builder
) -> None:
    monkeypatch.setattr(limits.INDEX, "value", 100)
    sink = MemorySink()
    with pytest.raises(AirpatchError):
        write_bundle(PreparedBundle(Index.full(sample.release), sample.manifests, sample.content), sink, execution(2))
    assert not sink.data


def test_sequence_and_name_travel(sample: Builder) -> None:
    release = replace(sample.release, name="spring release", sequence=2**63 - 1)
    data = sample.bundle(Index.full(release))
    assert read_bundle(frame_reader("file", data)).index.release == release


class Lost:
    """Blobs that do not arrive."""

    size = 0
    verified: AbstractSet[Digest] = frozenset()

    @contextmanager
    def content(self, _part: ProgressPart, cancellation: Cancellation) -> Iterator[Content]:
        yield MemoryContent({})
        cancellation.cancel()
        raise SourceError("the line is dead")


def test_the_execution_serves_another_attempt_after_one_that_failed(sample: Builder) -> None:
    bundle = PreparedBundle(Index.full(sample.release), sample.manifests, sample.content)
    work = execution(1)
    with pytest.raises(SourceError):
        write_bundle(replace(bundle, arriving=Lost()), MemorySink(), work)
    sink = MemorySink()
    write_bundle(bundle, sink, work)
    is_read_back(sample, bytes(sink.data))
