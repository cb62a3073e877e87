"""What an index says of its blobs, by the disposition of each."""

from __future__ import annotations

from airpatch.format.index import UNKNOWN_TYPE, Base, Disposition, Index, SourceBlob
from airpatch.model.digest import Digest
from airpatch.model.release import Blob
from tests.support import sample

RELEASE = sample().release


def test_a_full_bundle_stores_everything_and_can_be_unpacked() -> None:
    index = Index.full(RELEASE)
    assert index.stored == RELEASE.blobs
    assert index.left_out == index.patched == index.needed == ()
    assert index.is_full
    assert index.has_links


def test_a_patch_needs_what_it_leaves_out_and_sources_of_no_release() -> None:
    outside = SourceBlob(Digest.of(b"outside"), 7, 9)
    inside = RELEASE.blobs[0]
    index = Index(
        RELEASE,
        (Disposition.LEFT_OUT, Disposition.PATCHED, *(Disposition.STORED,) * (len(RELEASE.blobs) - 2)),
        (Base(Digest.of(b"base"), "r1"),),
        sources=(SourceBlob(inside.digest, inside.size, inside.size), outside),
    )
    assert index.needed == (RELEASE.blobs[0], Blob(outside.digest, 7, UNKNOWN_TYPE))
    assert index.patched == RELEASE.blobs[1:2]
    assert index.stored == RELEASE.blobs[2:]
    assert not index.is_full


def test_patched_blobs_keep_plain_tar_from_publishing() -> None:
    dispositions = (Disposition.PATCHED, *(Disposition.STORED,) * (len(RELEASE.blobs) - 1))
    assert not Index(RELEASE, dispositions).has_links
    assert not Index(RELEASE, (Disposition.STORED,) * len(RELEASE.blobs), (Base(Digest.of(b"base"), ""),)).has_links
