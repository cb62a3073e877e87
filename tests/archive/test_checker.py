"""`verify_bundle` tells everything that is wrong with a bundle, out of a file as out of a pipe."""

from __future__ import annotations

from contextlib import closing

import pytest

from airpatch.archive.checker import CheckedBundle, verify_bundle
from airpatch.archive.opening import Opening
from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.errors import FormatError, IntegrityError
from airpatch.format import zstd
from airpatch.format.index import Base, Disposition, Index
from airpatch.format.index_encoding import emit_index
from airpatch.model.digest import Digest
from tests.support import (
    Builder,
    MemoryContent,
    MemorySink,
    Recorder,
    execution,
    frame_reader,
    join_frames,
    split_frames,
)

KINDS = pytest.mark.parametrize("kind", ["file", "pipe"])


def verify(kind: str, data: bytes) -> CheckedBundle:
    with closing(frame_reader(kind, data)) as source:
        return verify_bundle(source, execution())


def messages(verified: CheckedBundle) -> list[str]:
    return [text for error in verified.findings for text in (error.message, *error.findings)]


def patch_of(sample: Builder) -> Index:
    """An index that leaves out the largest blob and the first manifest."""
    blobs = sample.release.blobs
    first = next(blob for blob in blobs if blob.is_manifest)
    dispositions = tuple(Disposition.LEFT_OUT if blob in (blobs[0], first) else Disposition.STORED for blob in blobs)
    return Index(sample.release, dispositions, (Base(Digest.of(b"base"), "base"),))


@KINDS
def test_sound_bundles(kind: str, sample: Builder) -> None:
    index = Index.full(sample.release)
    patch = patch_of(sample)
    for each in (index, patch):
        assert verify(kind, sample.bundle(each)) == CheckedBundle(Opening("bundle", emit_index(each), ()), ())


def test_progress(sample: Builder) -> None:
    progress = Recorder()
    with closing(frame_reader("file", sample.bundle())) as source:
        verify_bundle(source, execution(2, progress))
    assert progress.labels == [f"verifying {source.name}"]
    assert progress.adds_up
    assert progress.parts[0].total > sample.release.size  # signatures


@pytest.mark.parametrize("count", [1, 2])
def test_damaged_frames_of_blobs(count: int, sample: Builder) -> None:
    """Each is a finding that names its blobs, and reading continues after it."""
    frames = split_frames(sample.bundle())
    for number in range(1, 1 + count):
        frame = bytearray(frames[number])
        frame[-1] ^= 1  # the checksum
        frames[number] = bytes(frame)
    verified = verify("pipe", join_frames(frames))
    found = messages(verified)
    assert sum("a damaged zstd frame" in text and "(holds " in text for text in found) == count
    assert all(isinstance(error, FormatError) for error in verified.findings)


def test_file_whose_seek_table_disagrees(sample: Builder) -> None:
    """Adversary 38: content is checked all the same."""
    data = bytearray(sample.bundle())
    data[-zstd.FOOTER - 1] ^= 1  # the checksum of the last frame
    (error,) = verify("file", bytes(data)).findings
    assert isinstance(error, FormatError)
    assert "other checksums than the seek table says" in error.message


@KINDS
def test_wrong_content(kind: str, sample: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adversaries 27 and 28: a bundle of perfect form with other bytes under some digests."""
    index = Index.full(sample.release)
    wrong = {digest: bytes(len(content)) for digest, content in sample.content.blobs.items() if content}
    sink = MemorySink()
    with monkeypatch.context() as context:
        context.setattr("airpatch.blobs.hashing.check_digest", lambda *_: None)
        write_bundle(
            PreparedBundle(index, sample.manifests, MemoryContent({**sample.content.blobs, **wrong})),
            sink,
            execution(2),
        )
    verified = verify(kind, bytes(sink.data))
    assert all(isinstance(error, IntegrityError) for error in verified.findings)
    named = {digest for digest in wrong for text in messages(verified) if f"content of {digest}" in text}
    assert named == {digest for digest, content in wrong.items() if Digest.of(content) != digest}


@KINDS
def test_cut_short(kind: str, sample: Builder) -> None:
    data = sample.bundle()
    if kind == "file":
        with pytest.raises(FormatError):
            verify(kind, data[:-100])
    else:
        assert "cut short" in messages(verify(kind, data[:-100]))[-1]


@KINDS
def test_tail(kind: str, sample: Builder) -> None:
    data = sample.bundle() + b"tail"
    if kind == "file":
        with pytest.raises(FormatError):
            verify(kind, data)
    else:
        assert "is not the end" in messages(verify(kind, data))[-1]
