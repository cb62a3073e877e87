"""What members take adds up to the file, and is theirs."""

from __future__ import annotations

from airpatch.archive.prepared import PreparedBundle
from airpatch.archive.writer import write_bundle
from airpatch.format.index import Index
from airpatch.model.digest import Digest
from airpatch.report.packed_sizes import packed_sizes
from tests.delta.support import noise
from tests.support import Builder, MemorySink, Recorder, execution


def test_every_byte_is_a_members_or_frames_it() -> None:
    builder = Builder()
    large, small = noise(9 << 20, 1), noise(300, 2)
    manifest = builder.picture([large, small])
    builder.tag("shop/web:r1", manifest, {manifest: [noise(500, 3)]})
    bundle = PreparedBundle(Index.full(builder.release), builder.manifests, builder.content)
    file = MemorySink()
    write_bundle(bundle, file, execution())
    progress = Recorder()
    found = packed_sizes(bundle, execution(2, progress))
    assert progress.adds_up
    assert found.size == len(file.data)
    assert found.size == sum(found.members.values()) + found.index + found.signatures + found.framing
    assert set(found.members) == {blob.digest for blob in builder.release.blobs}
    assert len(large) < found.members[Digest.of(large)] < len(large) + 10_000
    assert min(found.members.values()) > 0
    assert 0 < found.index < 5000
    assert 0 < found.signatures < 2000
    assert 0 < found.framing < 2000
